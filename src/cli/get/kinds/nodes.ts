import type { Change } from "../../../contract/change.ts";
import type { Condition } from "../../../contract/condition.ts";
import type { Alarm, AlarmKind } from "../../../contract/fleet/alarm.ts";
import { type Node, NodeState } from "../../../contract/node.ts";
import type { Conductor } from "../../operator/conductor.ts";
import { all, bodies } from "../../operator/pages.ts";
import { count } from "../../show/count.ts";
import { told } from "../../table.ts";
import { ago, orNone } from "../columns.ts";
import { type Asking, type Flags, type Kind, textOf } from "../kind.ts";
import { begins, theOne } from "../select.ts";
import { actionText, reasonText, shownOf, type Why, whyText } from "../shown.ts";
import { hasLabels, LABEL_OPTION, labelsOf, truth, word } from "../words.ts";
import { cordonWhy } from "./cordon.ts";

/** A node, and the kinds of the alarms that fire of it, one for each. */
export interface Machine {
  node: Node;
  alarms: AlarmKind[];
}

export const nodeWords = ({ id, name }: Node) => ({ id, names: [name] });

/** What a state means, where no condition of the node says it, and what is to be done. */
const MEANING: Partial<Record<Node["state"], { text: string; action: string }>> = {
  LATE: { text: "Silent: it has said nothing for one lease", action: "wait for one more: it is back by then, or LOST" },
  LOST: {
    text: "Silent: it has said nothing for two leases",
    action: "look whether the machine runs and reaches its conductor, then at the log of `sinew start` on it",
  },
  LEFT: { text: "Left: it said that it stops", action: "start its agent again, if it is to be here" },
  EXPECTED: {
    text: "NeverSeen: it is expected, and has never said hello",
    action: "start its agent with a token of `sinew token create --node NAME`",
  },
  INCOMPATIBLE: {
    text: "ApiVersion: it speaks no API version of this conductor",
    action: "bring Sinew there and here to versions that fit",
  },
};

/** What is to be done about a node in a state; null: nothing that the state alone says. */
export const stateAction = (state: string, name: string): string | null =>
  (Object.hasOwn(MEANING, state) && MEANING[state as Node["state"]]?.action.replace("NAME", name)) || null;

export const troubles = ({ conditions = [] }: Pick<Node, "conditions">): Condition[] =>
  conditions.filter(({ status }) => status === "false");

export const nodeStatus = ({ state, cordoned }: Node): string => (cordoned ? `${state},Cordoned` : state);

/** `2 alarms: source.failed, hardware.unhealthy`; nothing: none fires. */
function alarmWhy({ node, alarms }: Machine): { text: string; action: string }[] {
  if (alarms.length === 0) return [];
  const text = `${count(alarms.length, "alarm")}: ${[...new Set(alarms)].join(", ")}`;
  return [{ text, action: `\`sinew alarms --node ${node.name}\`` }];
}

/** Why a node is as its state says, or what is said of it, and since when. */
export function nodeWhy(node: Node, alarms: AlarmKind[] = []): Why {
  const wrong = troubles(node);
  const said = [
    ...wrong.map((one) => ({ text: told({ ...one, action: null }), action: one.action })),
    ...cordonWhy(node.cordoned),
    // Of any other state it is said already why.
    ...(node.state === "LIVE" ? alarmWhy({ node, alarms }) : []),
  ];
  const meaning = MEANING[node.state];
  if (!meaning) return { since: wrong.map(({ since }) => since).toSorted()[0] ?? null, said };
  const action = meaning.action.replace("NAME", node.name);
  return { since: node.last_seen, said: [{ text: meaning.text, action }, ...said] };
}

const labelText = (labels: Record<string, string>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");

const whyOf = ({ node, alarms }: Machine) => nodeWhy(node, alarms);

export const nodes: Kind<Machine> = {
  name: "nodes",
  one: "node",
  aliases: ["node"],
  summary: "the machines of the fleet: live or lost, and what is wrong with them",
  filters: (command) => {
    command
      .option("--cordoned <BOOLEAN>", "true: those that are out of service, false: those that are not")
      .option("--status <STATE>", `in one state: ${NodeState.options.join(", ")}`)
      .option(...LABEL_OPTION);
  },
  ask: (conductor, flags, ids) => asking(conductor, flags, ids),
  columns: [
    { heading: "ID", of: ({ node }) => node.id.slice(0, 8) },
    { heading: "NAME", of: ({ node }) => node.name },
    { heading: "STATUS", of: ({ node }) => nodeStatus(node) },
    ago("LAST SEEN", ({ node }) => node.last_seen),
    ago("SINCE", (machine) => whyOf(machine).since),
    { heading: "LABELS", wide: true, of: ({ node }) => labelText(node.labels) },
    { heading: "ENDPOINT", wide: true, of: ({ node }) => orNone(node.endpoint) },
    { heading: "API", wide: true, of: ({ node: { api } }) => (api ? `${api.min}-${api.max}` : "-") },
    { heading: "FIRST SEEN", wide: true, of: ({ node }) => node.first_seen.slice(0, 10) },
    {
      heading: "REASON",
      narrow: true,
      of: (machine) => whyText(whyOf(machine)) ?? "",
    },
    { heading: "REASON", wide: true, of: (machine) => reasonText(whyOf(machine)) ?? "" },
    { heading: "ACTION", wide: true, of: (machine) => actionText(whyOf(machine)) ?? "" },
  ],
  key: ({ node }) => node.id,
  handle: ({ node }) => node.name,
  plain: (machine) => ({ ...machine.node, shown: shownOf(nodeStatus(machine.node), whyOf(machine)) }),
  none: "no node is like that",
  nothing: "there is no node yet",
  heard: true,
  inFeed: true,
};

/** All nodes of the fleet that a list has. Throws Exit. */
export async function allNodes(
  conductor: Conductor,
  query = new URLSearchParams(),
): Promise<{ rows: Node[]; revision: number }> {
  const rows: Node[] = [];
  let revision: number | null = null;
  for await (const page of bodies<Node>(conductor.ask, "nodes", "/nodes", query)) {
    rows.push(...page.rows);
    revision ??= Number(page.body.revision);
  }
  return { rows, revision: revision ?? 0 };
}

const isId = (said: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(said);

/** The node that a person means by a name, an id or its beginning. Throws Exit. */
export async function nodeCalled(conductor: Conductor, said: string): Promise<Node> {
  // That path is another list's; and what may be the beginning of another's id is looked for among all.
  const all = said === "expected" || (begins(said) && !isId(said));
  const one = all ? null : await conductor.find(`/nodes/${encodeURIComponent(said)}`);
  return one === null ? theOne((await allNodes(conductor)).rows, said, "nodes", nodeWords) : (one as Node);
}

/** Whether a node has the labels of `-l`, as they are now; without that flag each has. */
export async function labelled(conductor: Conductor, flags: Flags): Promise<(id: string) => boolean> {
  const labels = labelsOf(textOf(flags, "label"));
  if (labels.length === 0) return () => true;
  const query = new URLSearchParams(labels.map((label): [string, string] => ["label", label]));
  const ids = new Set((await allNodes(conductor, query)).rows.map(({ id }) => id));
  return (id) => ids.has(id);
}

function asking(conductor: Conductor, flags: Flags, ids: string[]): Asking<Machine> {
  const state = word("--status", textOf(flags, "status"), NodeState.options);
  const labels = labelsOf(textOf(flags, "label"));
  const cordoned = truth("--cordoned", textOf(flags, "cordoned"));
  const query = new URLSearchParams(state === undefined ? {} : { state });
  if (cordoned !== undefined) query.set("cordoned", String(cordoned));
  for (const label of labels) query.append("label", label);
  const chosen = new Set<string>();
  /** Those that fire, by their node. */
  const firing = new Map<string, Map<string, AlarmKind>>();
  /** Those that were listed or told, as they were last: what fires changes nothing else of them. */
  const known = new Map<string, Node>();
  const machine = (node: Node): Machine => ({ node, alarms: [...(firing.get(node.id)?.values() ?? [])].toSorted() });

  function heard({ id, node, state, kind }: Alarm): void {
    if (node === null) return;
    const own = firing.get(node.id) ?? new Map<string, AlarmKind>();
    if (state === "firing") own.set(id, kind);
    else own.delete(id);
    firing.set(node.id, own);
  }

  return {
    async list() {
      const { rows, revision } = await allNodes(conductor, query);
      const open = await all<Alarm>(conductor.ask, "alarms", "/alarms", new URLSearchParams({ state: "firing" }));
      firing.clear();
      known.clear();
      for (const alarm of open) heard(alarm);
      for (const node of rows) known.set(node.id, node);
      if (ids.length === 0) return { rows: rows.map(machine), revision };
      const picked = ids.map((id) => theOne(rows, id, "nodes", nodeWords));
      for (const { id } of picked) chosen.add(id);
      return { rows: picked.map(machine), revision };
    },
    async touched({ kind, node: { id }, uuid, alarm }: Change) {
      const isThis = ({ node }: Machine) => node.id === id;
      if (kind === "forgotten" && uuid === null) {
        known.delete(id);
        return { rows: [], forgotten: isThis };
      }
      if (alarm) {
        heard(alarm);
        const node = alarm.node === null ? undefined : known.get(alarm.node.id);
        const isAsked = node !== undefined && (ids.length === 0 || chosen.has(node.id));
        return { rows: isAsked ? [{ row: machine(node), leaves: false }] : [] };
      }
      if (kind !== "state") return { rows: [] };
      const row = (await conductor.find(`/nodes/${id}`)) as Node | null;
      if (row === null) return { rows: [], forgotten: isThis };
      const isChosen =
        (ids.length === 0 || chosen.has(id)) &&
        (state === undefined || row.state === state) &&
        (cordoned === undefined || Boolean(row.cordoned) === cordoned) &&
        hasLabels(row.labels, labels);
      if (isChosen) known.set(id, row);
      else known.delete(id);
      return { rows: [{ row: machine(row), leaves: !isChosen }] };
    },
  };
}
