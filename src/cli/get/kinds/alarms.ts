import { type Alarm, AlarmKind, AlarmSeverity, AlarmState } from "../../../contract/fleet/alarm.ts";
import type { Conductor } from "../../operator/conductor.ts";
import { bodies } from "../../operator/pages.ts";
import { count } from "../../show/count.ts";
import { ago } from "../columns.ts";
import { type Asking, type Flags, type Kind, textOf } from "../kind.ts";
import { theOne } from "../select.ts";
import { LABEL_OPTION, truth, word } from "../words.ts";
import { labelled, nodeCalled } from "./nodes.ts";

/** `ack ada (on my way)` */
const ackOf = ({ by, comment }: NonNullable<Alarm["acknowledged"]>): string =>
  `ack ${by}${comment ? ` (${comment})` : ""}`;

/** What to do; of what is over nothing is. */
const actionOf = ({ state, action }: Alarm): string | null => (state === "resolved" ? null : action);

/** `acknowledged by ada: on my way` */
export const ackText = ({ by, comment }: NonNullable<Alarm["acknowledged"]>): string =>
  `acknowledged by ${by}${comment ? `: ${comment}` : ""}`;

/** `firing`, and what else is to be known: who is on it, and that nobody is told. */
export const stateOf = ({ state, acknowledged, silenced_by }: Alarm): string =>
  [state, ...(acknowledged ? [ackOf(acknowledged)] : []), ...(silenced_by ? ["silenced"] : [])].join(", ");

export const alarms: Kind<Alarm> = {
  name: "alarms",
  one: "alarm",
  aliases: ["alarm"],
  summary: "what is wrong in the fleet, for how long, and what to do",
  filters: (command) => {
    command
      .option("--show <WHICH>", "those that are firing, resolved or pending, or all", "firing")
      .option("--kind <KIND>", "such as agent.lost or hardware.unhealthy")
      .option("--node <NODE>", "of one node, by its name or id")
      .option(...LABEL_OPTION)
      .option("--severity <SEVERITY>", "critical or warning")
      .option("--acknowledged <BOOLEAN>", "true: somebody is on it, false: nobody is");
  },
  ask: (conductor, flags, ids) => asking(conductor, flags, ids),
  columns: [
    { heading: "ID", of: ({ id }) => id.slice(0, 8) },
    { heading: "SEVERITY", of: ({ severity }) => severity },
    { heading: "KIND", of: ({ kind }) => kind },
    { heading: "NODE", of: ({ node, members }) => node?.name ?? `${members?.total ?? 0} nodes` },
    { heading: "STATUS", of: stateOf },
    ago("SINCE", ({ since }) => since),
    { heading: "SOURCE", wide: true, of: ({ source }) => source ?? "-" },
    { heading: "HARDWARE", wide: true, of: ({ uuid, devices }) => uuid?.slice(0, 8) ?? count(devices.total, "device") },
    { heading: "FIRED", wide: true, of: ({ fired_at }) => fired_at ?? "-" },
    { heading: "RESOLVED", wide: true, of: ({ resolved_at }) => resolved_at ?? "-" },
    {
      heading: "REASON",
      narrow: true,
      of: (alarm) => {
        const action = actionOf(alarm);
        return `${alarm.reason}: ${alarm.message}${action ? ` (${action})` : ""}`;
      },
    },
    { heading: "REASON", wide: true, of: ({ reason, message }) => `${reason}: ${message}` },
    { heading: "ACTION", wide: true, of: (alarm) => actionOf(alarm) ?? "-" },
  ],
  key: ({ id }) => id,
  handle: ({ id }) => id,
  none: "no alarm is like that",
  nothing: "nothing fires",
  inFeed: true,
};

async function asking(conductor: Conductor, flags: Flags, ids: string[]): Promise<Asking<Alarm>> {
  // An alarm that is named is shown whether it fires or not.
  const show = ids.length > 0 ? "all" : word("--show", textOf(flags, "show"), [...AlarmState.options, "all"]);
  const state = show === "all" ? undefined : show;
  const kind = word("--kind", textOf(flags, "kind"), AlarmKind.options);
  const severity = word("--severity", textOf(flags, "severity"), AlarmSeverity.options);
  const acknowledged = truth("--acknowledged", textOf(flags, "acknowledged"));
  const said = textOf(flags, "node");
  // That nothing fires is not to be said of a name that was misspelt.
  const node = said === undefined ? undefined : await nodeCalled(conductor, said);
  const query = new URLSearchParams();
  const asked = { state, kind, severity, acknowledged: acknowledged?.toString(), node: node?.id };
  for (const [name, value] of Object.entries(asked)) if (value !== undefined) query.set(name, value);
  const chosen = new Set<string>();

  const isAlso = await labelled(conductor, flags);
  // An outage is of many nodes.
  const isLabelled = ({ node, members }: Alarm) =>
    node ? isAlso(node.id) : (members?.nodes.some(({ id }) => isAlso(id)) ?? isAlso(""));

  const isChosen = (alarm: Alarm) =>
    (ids.length === 0 || chosen.has(alarm.id)) &&
    (state === undefined || alarm.state === state) &&
    (kind === undefined || alarm.kind === kind) &&
    (severity === undefined || alarm.severity === severity) &&
    (acknowledged === undefined || (alarm.acknowledged !== null) === acknowledged) &&
    (node === undefined || alarm.node?.id === node.id) &&
    isLabelled(alarm);

  return {
    async list() {
      const rows: Alarm[] = [];
      let revision: number | null = null;
      for await (const page of bodies<Alarm>(conductor.ask, "alarms", "/alarms", query)) {
        rows.push(...page.rows.filter(isLabelled));
        revision ??= Number(page.body.revision);
      }
      if (ids.length === 0) return { rows, revision: revision ?? 0 };
      const picked = ids.map((id) => theOne(rows, id, "alarms", (alarm) => ({ id: alarm.id, names: [] })));
      for (const { id } of picked) chosen.add(id);
      return { rows: picked, revision: revision ?? 0 };
    },
    touched: async ({ alarm }) => ({ rows: alarm ? [{ row: alarm, leaves: !isChosen(alarm) }] : [] }),
  };
}
