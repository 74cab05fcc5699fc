import type { Visitor } from "../../auth/caller.ts";
import type { Hello, Registered } from "../../contract/hello.ts";
import { SinewError } from "../../contract/problem.ts";
import { uuidV5 } from "../../pci/identity.ts";
import { agreeOnVersion, nameBeside, type Peers } from "../greeting.ts";
import { type Child, type ChildContext, failChild } from "./child.ts";
import { ownerOf } from "./owner.ts";

const REMOTE_DRIVERS = 64;

/** A driver as it is taken on; what it has is asked for afterwards. */
export type NewChild = Omit<Child, "source" | "devices" | "uuids" | "generation" | "seen">;

/** Takes in the hellos of drivers. */
export function createRegister(options: {
  context: Pick<ChildContext, "node" | "world">;
  peers: Peers;
  children: Map<string, Child>;
  addChild: (child: NewChild) => Child;
  save: () => Promise<void>;
  publish: () => Promise<void>;
  pull: (child: Child) => Promise<void>;
  watch: (child: Child) => void;
  ttl: () => number;
}): (body: Hello, from: Visitor) => Promise<Registered> {
  const { context, peers, children, addChild, save, publish, pull, watch, ttl } = options;
  const { node, world } = context;

  /** The driver a hello is about: by name, without one by endpoint. A built-in driver's name is not given away. */
  function nameOf(hello: Hello, { caller }: Visitor, endpointText: string): string {
    if (hello.name === undefined && caller.driver) return caller.driver;
    if (hello.name === undefined) {
      const known = [...children.values()].find((child) => !child.builtIn && child.peer.endpoint === endpointText);
      return known?.name ?? endpointText;
    }
    return children.get(hello.name)?.builtIn ? nameBeside(hello.name, endpointText) : hello.name;
  }

  function makeRoom() {
    if ([...children.values()].filter(({ builtIn }) => !builtIn).length < REMOTE_DRIVERS) return;
    const gone = [...children.values()].find((child) => child.left);
    if (!gone) throw new SinewError("busy", `expected at most ${REMOTE_DRIVERS} drivers on one node`);
    children.delete(gone.name);
  }

  return async (body, from) => {
    const api = agreeOnVersion(body);
    const peer = await peers.of(body, from);
    const name = nameOf(body, from, peer.endpoint);
    const known = children.get(name);
    const owner = ownerOf(from.caller, name, known?.owner);
    const left = body.status === "LEAVING";
    const seed = body.api === undefined;
    if (!known) makeRoom();
    const child = known ?? addChild({ name, type: body.type ?? null, peer, builtIn: false, seed, left, owner });
    const changed =
      !known ||
      child.owner !== owner ||
      child.peer.endpoint !== peer.endpoint ||
      child.left !== left ||
      child.seed !== seed;
    child.peer = peer;
    child.seed = seed;
    child.left = left;
    child.owner = owner;
    child.type = body.type ?? child.type;
    child.source = { ...child.source, type: child.type, endpoint: peer.endpoint };
    if (left) {
      failChild(child, { code: "unreachable", message: `the driver said LEAVING at ${world.now().toISOString()}` });
      await publish();
    }
    // Answered only when it is stored: a registration survives whatever happens next.
    if (changed) {
      await save().catch((cause) => {
        throw new SinewError("unavailable", "the registration could not be stored", { cause });
      });
    }
    const same = body.generation !== undefined && body.generation === child.generation;
    if (same && !left) child.seen = world.now().toISOString();
    if (left || (!changed && same)) watch(child);
    else void pull(child);
    return {
      status: "REGISTERED",
      uuid: uuidV5(node.id, `driver ${name}`),
      api,
      lease: { ttl_seconds: ttl() },
    };
  };
}
