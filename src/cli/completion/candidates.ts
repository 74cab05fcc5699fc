import { type Alarm, AlarmKind, AlarmSeverity, AlarmState } from "../../contract/fleet/alarm.ts";
import type { Window } from "../../contract/fleet/window.ts";
import { DEVICE_TYPES, type FleetSource, Freshness, type Hardware } from "../../contract/hardware.ts";
import { type Node, NodeState } from "../../contract/node.ts";
import { type Operation, OperationStatus } from "../../contract/operation.ts";
import { STATUSES, statusOf } from "../get/kinds/hardware.ts";
import { type Conductor, conductorOf } from "../operator/conductor.ts";
import { readContexts } from "../operator/contexts.ts";
import { SHELLS } from "./scripts.ts";

/** A word that may be typed, and what it is. */
export interface Candidate {
  word: string;
  about?: string;
}

/** The shell is to complete the name of a file. */
export const FILES = ":files";

export interface Wanted {
  /** The command and its subcommand. */
  path: readonly string[];
  /** `--node`; null: an operand. */
  option: string | null;
  /** What the help calls it: `FILE`, `NODE`, `ID`. */
  place: string;
  /** As far as it is typed. */
  current: string;
  /** The options that were typed before it, by their attributes. */
  values: Record<string, string>;
}

const TRUTH = ["true", "false"];
const NODE_STATES: readonly string[] = NodeState.options;

/** Words of options, of every command or by its path. */
const WORDS: Record<string, readonly string[]> = {
  "--ready": TRUTH,
  "--acknowledged": TRUTH,
  "--cordoned": TRUTH,
  "--type": DEVICE_TYPES,
  "--freshness": Freshness.options,
  "--severity": AlarmSeverity.options,
  "--show": [...AlarmState.options, "all"],
  "get alarms --kind": AlarmKind.options,
  "alarms --kind": AlarmKind.options,
  "window add --kind": AlarmKind.options,
  "get changes --kind": ["added", "changed", "moved", "gone", "state", "alarm", "forgotten"],
  "get hardware --status": STATUSES,
  "top hardware --status": STATUSES,
  "get nodes --status": NODE_STATES,
  "top nodes --status": NODE_STATES,
  "get sources --status": ["OK", "STALE", "NEVER"],
  "get operations --status": OperationStatus.options,
  "describe hardware --output": ["text", "json", "yaml"],
  "describe node --output": ["text", "json", "yaml"],
  "history hardware --output": ["table", "json", "yaml"],
  "history node --output": ["table", "json", "yaml"],
  "top hardware --output": ["table", "json"],
  "top nodes --output": ["table", "json"],
  "--output": ["table", "wide", "json", "yaml", "name"],
  "--log-format": ["text", "json"],
  "--auth": ["open", "required"],
  "wait --for": ["ready", "gone", "live", "condition="],
  "start --role": ["all", "conductor", "agent", "driver"],
  "token create --role": ["agent", "viewer", "operator", "admin", "driver"],
};

/** Which kind of thing `ID` is, by the subcommand. */
const OF_KIND: Record<string, (wanted: Wanted, conductor: Conductor) => Promise<Candidate[]>> = {
  hardware: devices,
  nodes,
  node: nodes,
  sources,
  alarms,
  ack: alarms,
  operations,
  end: windows,
};

/** What may be typed there. Throws where the conductor does not say. */
export async function candidatesFor(wanted: Wanted): Promise<Candidate[]> {
  const { path, option, place, values } = wanted;
  const words = option === null ? undefined : (WORDS[`${path.join(" ")} ${option}`] ?? WORDS[option]);
  if (words) return words.map((word) => ({ word }));
  if (/FILE|DIR|PATH/.test(place)) return [{ word: FILES }];
  if (place === "SHELL") return SHELLS.map((word) => ({ word }));
  if (option === "--context" || (path[0] === "context" && place === "NAME"))
    return Object.entries((await readContexts()).contexts).map(([word, { url }]) => ({ word, about: url }));
  const last = path.at(-1) ?? "";
  const ask = place === "ID" ? OF_KIND[last] : ASKED[place];
  return ask ? ask(wanted, await conductorOf(values)) : [];
}

/** By what the help calls it. */
const ASKED: Record<string, (wanted: Wanted, conductor: Conductor) => Promise<Candidate[]>> = {
  NODE: nodes,
  WHAT: both,
  "NODE|DEVICE": nodesOrDevices,
};

const LIMIT = "1000";

async function list<T>(conductor: Conductor, name: string, filter: Record<string, string> = {}): Promise<T[]> {
  const body = (await conductor.ask(`/${name}?${new URLSearchParams({ ...filter, limit: LIMIT })}`)) as Record<
    string,
    T[]
  >;
  return body[name] ?? [];
}

async function nodes(_: Wanted, conductor: Conductor): Promise<Candidate[]> {
  return (await list<Node>(conductor, "nodes")).map(({ name, state }) => ({ word: name, about: state }));
}

/** By node and address; by id where that is what is typed. */
async function devices({ current }: Wanted, conductor: Conductor): Promise<Candidate[]> {
  const [, node] = /^(.+)\/[^/]*$/.exec(current) ?? [];
  const found = await list<Hardware>(conductor, "hardware", node === undefined ? {} : { node });
  return found.flatMap((hardware) => {
    const { uuid, name, node, pci } = hardware;
    const about = `${name}, ${statusOf({ hardware, failed: null })}`;
    const byId = { word: uuid, about };
    if (current !== "" && uuid.startsWith(current.toLowerCase())) return [byId];
    return pci ? [{ word: `${node.name}/${pci.address}`, about }] : [byId];
  });
}

/** A node by its name, and behind that a device of it. */
async function nodesOrDevices(wanted: Wanted, conductor: Conductor): Promise<Candidate[]> {
  return (wanted.current.includes("/") ? devices : nodes)(wanted, conductor);
}

/** With their kinds before them, as `sinew wait` takes them. */
async function both(wanted: Wanted, conductor: Conductor): Promise<Candidate[]> {
  const [, kind, current = ""] = /^(hardware|node)\/(.*)$/.exec(wanted.current) ?? [];
  if (kind === undefined) return [{ word: "hardware/" }, { word: "node/" }];
  const found = await (kind === "hardware" ? devices : nodes)({ ...wanted, current }, conductor);
  return found.map(({ word, ...rest }) => ({ word: `${kind}/${word}`, ...rest }));
}

async function sources(_: Wanted, conductor: Conductor): Promise<Candidate[]> {
  const found = await list<FleetSource>(conductor, "sources");
  return found.map(({ node, name, status }) => ({ word: `${node.name}/${name}`, about: status }));
}

async function alarms(_: Wanted, conductor: Conductor): Promise<Candidate[]> {
  const found = await list<Alarm>(conductor, "alarms", { state: "firing" });
  return found.map(({ id, kind, node, message }) => ({
    word: id.slice(0, 8),
    about: `${kind} ${node?.name ?? ""}: ${message}`,
  }));
}

async function operations(_: Wanted, conductor: Conductor): Promise<Candidate[]> {
  const found = await list<Operation>(conductor, "operations");
  return found.map(({ uuid, kind, status }) => ({ word: uuid.slice(0, 8), about: `${kind} ${status}` }));
}

async function windows(_: Wanted, conductor: Conductor): Promise<Candidate[]> {
  const { windows: found } = (await conductor.ask("/windows")) as { windows: Window[] };
  return found.map(({ id, comment }) => ({ word: id.slice(0, 8), about: comment ?? "" }));
}
