import { type Peer, PeerError } from "../../client/peer.ts";
import { type Limits, pullReport, runDiscovery } from "../../client/wrangle.ts";
import type { Hardware, Source } from "../../contract/hardware.ts";
import type { OperationStatus } from "../../contract/operation.ts";
import type { Report } from "../../contract/peer.ts";
import type { World } from "../../world.ts";
import { adopt } from "../adopt.ts";
import { settle } from "../operations/settle.ts";
import { identify, type Known, knownOf } from "./identity.ts";

/** Devices remembered after they left, over all children. */
const REMEMBERED = 10_000;

/** One driver as its agent sees it. */
export interface Child {
  readonly name: string;
  type: string | null;
  peer: Peer;
  readonly builtIn: boolean;
  /** Speaks the seed only: no renewal, so it is polled. */
  seed: boolean;
  /** Said LEAVING. */
  left: boolean;
  /** Whose it is: who may say hello for it (owner.ts). */
  owner: string;
  source: Source;
  /** The last good answer. */
  devices: Hardware[];
  /** Its own uuids of devices that this node knows by another one: a card that has moved. By the node's. */
  uuids: Map<string, string>;
  /** Of the last good answer, for If-None-Match; null asks for all. */
  generation: string | null;
  /** When its last answer was still true, RFC 3339; null: not in this run. */
  seen: string | null;
}

export interface ChildContext {
  node: Hardware["node"];
  world: World;
  limits: Limits;
  /** Every device ever seen, by source and uuid; the oldest leave first. */
  memory: Map<string, Known>;
}

const stale = (devices: Hardware[]): Hardware[] => devices.map((device) => ({ ...device, freshness: "STALE" }));

/** Marks a failed attempt: last-good devices stay, visibly old. */
export function failChild(child: Child, error: Source["error"]) {
  const status = child.source.observed_at === null ? "NEVER" : "STALE";
  child.source = { ...child.source, status, error };
  child.devices = stale(child.devices);
  child.generation = null;
}

/** Asks a child for its hardware and takes in the answer; a PeerError is recorded at the child and thrown on. */
export async function pullChild(child: Child, context: ChildContext): Promise<void> {
  try {
    const report = await pullReport(child.peer, context.limits, child.generation, context.world);
    // An answer that was under way when the driver said LEAVING is of before: nothing of it is current.
    if (child.left) return;
    if (report) takeReport(child, report, context);
    else {
      child.seen = context.world.now().toISOString();
      child.source = { ...child.source, observed_at: child.seen };
    }
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    if (!child.left) failChild(child, { code: error.code, message: error.message });
    throw error;
  }
}

/** A serial that can't be read any more (a card that broke, a scan without privileges) is still the card's serial. */
function remember(device: Hardware, before: Known | undefined): Known {
  const now = knownOf(device);
  if (!before) return now;
  const unread = before.serials.filter(({ kind }) => !now.serials.some((serial) => serial.kind === kind));
  return { ...now, serials: [...now.serials, ...unread], first_seen: before.first_seen };
}

function takeReport(child: Child, report: Report, { node, world, memory }: ChildContext) {
  const now = world.now().toISOString();
  const context = { source: child.name, type: child.type, node, now };
  const own = [...memory.values()].filter(({ source }) => source === child.name);
  const identified = identify(
    report.items.map((item) => adopt(item, context)),
    own,
  );
  const devices = identified.map((device) => {
    const key = `${child.name} ${device.uuid}`;
    const known = { ...remember(device, memory.get(key)), last_seen: now };
    memory.delete(key); // set anew at the end: the order is the order of last sight
    memory.set(key, known);
    return { ...device, first_seen: known.first_seen };
  });
  for (const key of memory.keys()) {
    if (memory.size <= REMEMBERED) break;
    memory.delete(key);
  }

  // What a driver says of itself counts: it may answer and still have failed to look.
  const said = report.sources?.find(({ name }) => name === child.name) ?? report.sources?.[0];
  const [refusal] = report.refused;
  const error: Source["error"] = refusal
    ? {
        code: "invalid",
        message: `${report.refused.length} of ${report.refused.length + report.items.length} devices refused, the first at ${refusal.pointer}: ${refusal.detail}`,
      }
    : said && said.status !== "OK"
      ? (said.error ?? { code: "crashed", message: `the driver says its own state is ${said.status}` })
      : null;
  const present = new Set(devices.map(({ uuid }) => uuid));
  for (const { uuid } of child.devices) {
    const left = present.has(uuid) ? undefined : memory.get(`${child.name} ${uuid}`);
    if (left && child.seen !== null) left.last_seen = child.seen;
  }
  if (error === null) child.seen = now;
  // A device among the refused is not gone: its last-good entry stays.
  const missing = error ? stale(child.devices.filter(({ uuid }) => !present.has(uuid))) : [];
  const others = devices.map(({ uuid }, index) => [uuid, report.items[index]?.value.uuid ?? uuid] as const);
  child.uuids = new Map([
    ...[...child.uuids].filter(([uuid]) => missing.some((device) => device.uuid === uuid)),
    ...others.filter(([uuid, own]) => uuid !== own),
  ]);
  child.devices = [...devices, ...missing];
  child.generation = refusal ? null : report.generation;
  const observed_at = said && said.status !== "OK" ? (said.observed_at ?? child.source.observed_at) : now;
  const status = error === null ? "OK" : observed_at === null ? "NEVER" : "STALE";
  child.source = { ...child.source, status, observed_at, count: child.devices.length, error };
}

/** Has a child look again, and takes in what it finds. Throws PeerError. */
export async function discoverChild(
  child: Child,
  context: ChildContext,
): Promise<{ found: number; status: OperationStatus; error: string | null }> {
  const { world, limits } = context;
  let operation: Awaited<ReturnType<typeof runDiscovery>>;
  try {
    operation = await runDiscovery(child.peer, limits, world);
  } catch (error) {
    if (error instanceof PeerError && !child.left) failChild(child, { code: error.code, message: error.message });
    throw error;
  }
  await settle(world, operation !== null, () => pullChild(child, context));
  const problem = child.source.error?.message ?? operation?.children.find(({ error }) => error)?.error ?? null;
  const said = operation?.status ?? "SUCCEEDED";
  return {
    found: child.devices.filter(({ freshness }) => freshness === "FRESH").length,
    status: child.source.status === "OK" ? said : said === "FAILED" ? "FAILED" : "PARTIAL",
    error: problem,
  };
}
