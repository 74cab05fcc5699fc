import type { Hardware } from "../../contract/hardware.ts";
import { SinewError } from "../../contract/problem.ts";
import { type Asker, type Care, theOne } from "../care/care.ts";
import { type Below, relayCare } from "../care/relay.ts";
import type { Child, ChildContext } from "./child.ts";
import type { RemoteSetup } from "./options.ts";

type Relaying = Omit<Parameters<typeof relayCare>[0], "find" | "deadlineMs">;

/** What an agent does with a device: it asks the driver that has it. */
export function agentCare(
  options: Relaying & {
    context: Pick<ChildContext, "node" | "limits" | "memory">;
    devices: (uuid: string) => readonly Hardware[];
    children: ReadonlyMap<string, Child>;
    remoteSetup: RemoteSetup;
  },
): Care {
  const { context, devices, children, remoteSetup } = options;

  async function find(uuid: string, { gone } = { gone: false }): Promise<Below> {
    const here = devices(uuid);
    const left = [...context.memory.values()].filter((known) => known.uuid === uuid);
    const source = gone && here.length === 0 && left[0] ? left[0].source : theOne(here, uuid).source;
    const child = children.get(source);
    const name = `driver ${source}`;
    if (!child || child.left) throw new SinewError("peer_failed", `${name} has left`);
    return { peer: child.peer, uuid: child.uuids.get(uuid) ?? uuid, name };
  }

  /** What the conductor above may have done here is this node's to say. */
  function allow({ above }: Asker, least: Exclude<RemoteSetup, "off">) {
    if (!above || remoteSetup === "apply" || remoteSetup === least) return;
    const what = least === "plan" ? "plan" : "carry out";
    throw new SinewError(
      "forbidden",
      `node ${context.node.name} lets no conductor ${what} a setup (--remote-setup ${remoteSetup}): ask at the node itself, or start its agent with --remote-setup ${least}`,
    );
  }

  const relay = relayCare({ ...options, find, deadlineMs: context.limits.deadlineMs });
  return {
    ...relay,
    async plan(uuid, request, asker) {
      allow(asker, "plan");
      return relay.plan(uuid, request, asker);
    },
    async setup(uuid, request, asker) {
      allow(asker, "apply");
      return relay.setup(uuid, request, asker);
    },
  };
}

/** The node's uuid of a device that a driver knows by its own, the same where there is no other; null: not yet known. */
export function nodeUuid(child: Child | undefined, driverUuid: string): string | null {
  if (child?.seen === null) return null;
  const found = [...(child?.uuids ?? [])].find(([, own]) => own === driverUuid);
  return found?.[0] ?? driverUuid;
}
