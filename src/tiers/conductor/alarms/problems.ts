import type { Condition } from "../../../contract/condition.ts";
import type { AlarmKind, AlarmSeverity } from "../../../contract/fleet/alarm.ts";
import type { Hardware } from "../../../contract/hardware.ts";
import type { NodeState } from "../../../contract/node.ts";
import type { Facts } from "../../../db/queries/fleet/alarms.ts";
import { uuidV5 } from "../../../pci/identity.ts";
import { isCurrent } from "../fleet.ts";

/** Names troubles, so that two evaluators, or one before and after a restart, call the same one the same. */
const NAMESPACE = "0b9e5a0e-64c1-5d34-9f0e-2b8a8d4b7c55";

/** One trouble that there is now. */
export interface Problem {
  fingerprint: string;
  kind: AlarmKind;
  node: { id: string; name: string };
  /** The name that its node says itself, where it was given another one. */
  says: string | null;
  labels: Record<string, string>;
  source: string | null;
  uuid: string | null;
  /** Where it is graver than its kind is. */
  severity: AlarmSeverity | null;
  reason: string;
  message: string;
  action: string | null;
  /** The devices it concerns, where that is known of it. */
  devices: string[];
  /** False: as far as is known it goes on, and that is too little to begin an alarm with. */
  opens: boolean;
}

const fingerprintOf = (kind: AlarmKind, node: string, source: string | null, uuid: string | null): string =>
  uuidV5(NAMESPACE, JSON.stringify([kind, node, source, uuid]));

/** The one alarm of many nodes that are lost together. */
export const OUTAGE = uuidV5(NAMESPACE, "outage");

/** Devices, and sources, of one node that have an alarm of each kind of their own; what is more than that is one. */
const EACH = 100;
/** What an agent says goes into every request about its alarm: so much of it, in characters. */
const LONGEST = { reason: 256, message: 4096 };

const clip = (text: string, length: number) =>
  text.length <= length ? text : `${text.slice(0, length - 1).toWellFormed()}\u2026`;

type NodeFacts = Facts["nodes"][number];
type Details = Pick<Problem, "reason" | "message" | "action"> & Partial<Problem>;

/** What is wrong now, by fingerprint: pure. Of a node that left nothing is, nor of one that is out of service or not there. */
export function problemsOf(facts: Facts): Map<string, Problem> {
  const found = new Map<string, Problem>();
  const sources = Map.groupBy(facts.sources, ({ node_id }) => node_id);
  const devices = Map.groupBy(facts.devices, ({ node_id }) => node_id);
  for (const node of facts.nodes) {
    const own = ofNode(node, sources.get(node.id) ?? [], devices.get(node.id) ?? []);
    for (const problem of own) found.set(problem.fingerprint, problem);
  }
  return found;
}

function ofNode(node: NodeFacts, sources: Facts["sources"], devices: Facts["devices"]): Problem[] {
  const state = node.state as NodeState; // written from a NodeState only
  if (state === "LEFT" || node.cordoned) return [];
  const labels = JSON.parse(node.labels) as Record<string, string>; // written from a Node's
  const conditions = [node.conditions, node.reported].flatMap((text) =>
    text === null ? [] : (JSON.parse(text) as Condition[]),
  );
  const problem = (kind: AlarmKind, details: Details): Problem => {
    const { source = null, uuid = null, reason, message, action } = details;
    const common = { severity: null, devices: [], opens: true, source, uuid, ...details };
    return {
      ...common,
      reason: clip(reason, LONGEST.reason),
      message: clip(message, LONGEST.message),
      action: action && clip(action, LONGEST.message),
      fingerprint: fingerprintOf(kind, node.id, source, uuid),
      kind,
      node: { id: node.id, name: node.name },
      says: node.says ?? null,
      labels,
    };
  };
  // What a node that is not heard, or not believed, said last goes on, and is no news: the node itself is the alarm.
  const opens = isCurrent(state) && state !== "CONFLICT";
  return [
    ...ofState(state, node, conditions, problem),
    ...failed(node, sources, opens, problem),
    ...missing(node, conditions, devices, opens, problem),
    ...unhealthy(node, devices, opens, problem),
  ];
}

type Make = (kind: AlarmKind, details: Details) => Problem;

function ofState(state: NodeState, node: NodeFacts, conditions: Condition[], make: Make): Problem[] {
  const unique = conditions.find(({ type, status }) => type === "IdentityUnique" && status === "false");
  switch (state) {
    case "LOST":
      return [
        make("agent.lost", {
          reason: "Silent",
          message: `node ${node.name} has said nothing for two leases`,
          action: "look whether the machine runs and reaches its conductor, then at the log of `sinew start` on it",
        }),
      ];
    case "EXPECTED":
      return [
        make("agent.never_seen", {
          reason: "NeverSeen",
          message: `node ${node.name} is expected, and has never said hello`,
          action: `start its agent with a token of \`sinew token create --node ${node.name}\`; if it is not to be here, take it out of the list of \`sinew expect nodes\``,
        }),
      ];
    case "INCOMPATIBLE":
      return [
        make("agent.incompatible", {
          reason: "ApiVersion",
          message: `node ${node.name} speaks no API version of this conductor: ${versionsOf(node)}`,
          action: "bring Sinew on the node and on the conductor to versions that fit",
        }),
      ];
    default: {
      if (state !== "CONFLICT" && !unique) return [];
      const { reason, message, action } = unique ?? {
        reason: "Conflict",
        message: `more than one machine says to be node ${node.name}`,
        action: null,
      };
      return [make("agent.conflict", { reason, message, action })];
    }
  }
}

function versionsOf({ api }: NodeFacts): string {
  const range = api === null ? null : (JSON.parse(api) as { min: string; max: string }); // written from a Hello's
  return range === null ? "it names none" : `${range.min} to ${range.max}`;
}

function failed(node: NodeFacts, sources: Facts["sources"], opens: boolean, make: Make): Problem[] {
  // In one order: which have alarms of their own must not change with each look.
  const ordered = sources.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const alone = ordered.slice(0, EACH).map((source) =>
    make("source.failed", {
      source: source.name,
      reason: camel(source.error_code ?? source.status),
      message: source.error_message ?? `source ${source.name} of node ${node.name} has not answered yet`,
      action: `read the logs of ${source.name} on ${node.name}, and \`sinew scan\` there`,
      opens,
    }),
  );
  if (ordered.length <= EACH) return alone;
  const message = `more sources of node ${node.name} have failed than the ${EACH} that have alarms of their own`;
  const action = "look at the node as a whole; `GET /hardware` with `node` lists its sources";
  return [...alone, make("source.failed", { reason: "Many", message, action, opens })];
}

/**
 * Where a node says what is to be there that counts, and its alarm names what is gone. Else each card that is gone is one:
 * nobody has said that it may be.
 */
function missing(
  node: NodeFacts,
  conditions: Condition[],
  devices: Facts["devices"],
  opens: boolean,
  make: Make,
): Problem[] {
  const gone = devices
    .filter(({ freshness }) => freshness === "GONE")
    .map(({ source, uuid, body, cordoned }) => ({ source, uuid, cordoned, device: JSON.parse(body) as Hardware })) // written by bodyOf
    .filter(({ device }) => isCard(device));
  const cards = gone.filter(({ cordoned }) => !cordoned);
  // Where all that is gone is out of service, that is what its node misses.
  if (gone.length > 0 && cards.length === 0) return [];
  const present = conditions.find(({ type }) => type === "HardwarePresent");
  if (present?.status === "true") return [];
  const said = present?.status === "false";
  const alone = cards.slice(0, EACH).map(({ source, uuid, device }) => {
    const { reason, message, action } = conditionOf(device, "Present");
    const about = `${device.name} of node ${node.name}: ${message}`;
    return make("hardware.missing", {
      source,
      uuid,
      reason,
      message: about,
      action,
      devices: [uuid],
      opens: opens && !present,
    });
  });
  if (said) {
    const { reason, message, action } = present;
    const all = cards.map(({ uuid }) => uuid);
    return [make("hardware.missing", { reason, message, action, devices: all, opens }), ...alone];
  }
  return [...alone, ...others(cards.slice(EACH), "gone", (more) => make("hardware.missing", more), opens && !present)];
}

/** Those of one node that have no alarm of their own, as one. */
function others(rows: { uuid: string }[], what: string, make: (more: Details) => Problem, opens: boolean): Problem[] {
  if (rows.length === 0) return [];
  const message = `${rows.length} more devices are ${what}, beside the ${EACH} that have alarms of their own`;
  const action = "look at the node as a whole; `GET /hardware` with `node` lists its devices";
  return [make({ reason: "Many", message, action, devices: rows.map(({ uuid }) => uuid), opens })];
}

/** Virtual and companion functions come and go with their card. */
const isCard = ({ acc_specs, pci }: Hardware): boolean =>
  acc_specs.num > 0 && acc_specs.device_type !== "GENERIC" && (pci?.sriov?.vf_index ?? null) === null;

/** Without these it is of no use at all. */
const GRAVE: readonly string[] = ["Responding", "Present"];

const firstOf = (trouble: string | null) => trouble?.split(",")[0] ?? "";

function unhealthy(node: NodeFacts, devices: Facts["devices"], opens: boolean, make: Make): Problem[] {
  const ill = devices.filter(
    ({ trouble, freshness, cordoned }) => trouble !== null && freshness !== "GONE" && !cordoned,
  );
  const severityOf = (row: Facts["devices"][number]) => (GRAVE.includes(firstOf(row.trouble)) ? "critical" : null);
  const isFresh = ({ freshness }: Facts["devices"][number]) => freshness === "FRESH";
  const alone = ill.slice(0, EACH).map((row) => {
    const device = JSON.parse(row.body) as Hardware; // written by bodyOf
    const { reason, message, action } = conditionOf(device, firstOf(row.trouble));
    return make("hardware.unhealthy", {
      source: row.source,
      uuid: row.uuid,
      severity: severityOf(row),
      reason,
      message: `${device.name} of node ${node.name}: ${message}`,
      action,
      devices: [row.uuid],
      opens: opens && isFresh(row),
    });
  });
  const rest = ill.slice(EACH);
  const severity = rest.some((row) => severityOf(row) !== null) ? "critical" : null;
  const one = (more: Details) => make("hardware.unhealthy", { ...more, severity });
  return [...alone, ...others(rest, "unhealthy", one, opens && rest.some(isFresh))];
}

function conditionOf({ acc_status }: Hardware, type: string): Pick<Condition, "reason" | "message" | "action"> {
  const found = acc_status.conditions.find((one) => one.type === type && one.status === "false");
  return found ?? { reason: camel(type), message: `${type} is false`, action: null };
}

/** `http_status` as HttpStatus, `NEVER` as Never. */
const camel = (text: string): string =>
  text.includes("_") || text === text.toUpperCase() || text === text.toLowerCase()
    ? text
        .toLowerCase()
        .split("_")
        .map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
        .join("")
    : text;
