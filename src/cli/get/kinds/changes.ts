import type { Change } from "../../../contract/change.ts";
import { Exit } from "../../exit.ts";
import type { Conductor } from "../../operator/conductor.ts";
import { bodies } from "../../operator/pages.ts";
import { secondText } from "../../show/age.ts";
import { against, told } from "../../table.ts";
import { type Asking, type Flags, type Kind, textOf } from "../kind.ts";
import { LABEL_OPTION, whole, word } from "../words.ts";
import { ackText, stateOf } from "./alarms.ts";
import { cordonWhy } from "./cordon.ts";
import { givenText } from "./given.ts";
import { labelled, nodeCalled } from "./nodes.ts";

const KINDS = ["added", "changed", "moved", "gone", "state", "alarm", "forgotten"] as const;

/** What one change says, in a line. */
export function changeText({ kind, time, hardware, alarm, state, sources, uuid, cordoned, given }: Change): string {
  if (kind === "forgotten") {
    const what = uuid === null ? "the node" : "the device";
    return `${what} is in no list any more${given ? `, by ${given.by}` : ""}`;
  }
  if (given) return givenText(given);
  // An older Sinew wrote no more of it.
  const [cordon] = cordonWhy(cordoned);
  if (cordon) return cordon.text;
  if (cordoned === null) return uuid === null ? "an operator named, labelled or uncordoned it" : "in service again";
  if (alarm?.acknowledged?.at === time) return `${alarm.kind} ${ackText(alarm.acknowledged)}`;
  if (alarm) return `${alarm.kind} ${stateOf(alarm)}: ${alarm.reason}: ${alarm.message}`;
  if (hardware) {
    const { freshness, acc_status } = hardware;
    const word =
      freshness === "GONE" ? "Gone" : freshness === "STALE" ? "Stale" : acc_status.ready ? "Ready" : "NotReady";
    const why =
      freshness === "FRESH" && !acc_status.ready ? against(hardware).map((one) => told({ ...one, action: null })) : [];
    return [`${word}`, ...why].join("; ");
  }
  if (kind === "state") {
    const said = (sources ?? []).map(
      ({ name, status, error }) => `source ${name} ${status}${error ? `: ${error.message}` : ""}`,
    );
    return [...(state ? [state] : []), ...said].join("; ");
  }
  return "";
}

export const aboutText = ({ hardware, uuid, alarm, node }: Change): string => {
  if (alarm) return `alarm ${alarm.id.slice(0, 8)}`;
  if (hardware) return `${hardware.name}${hardware.pci ? ` at ${hardware.pci.address}` : ""}`;
  return uuid === null ? `node ${node.name}` : `hardware ${uuid.slice(0, 8)}`;
};

export const changes: Kind<Change> = {
  name: "changes",
  one: "change",
  aliases: ["change"],
  summary: "what changed in the fleet, the newest last",
  filters: (command) => {
    command
      .option("--node <NODE>", "of one node, by its name or id")
      .option("--kind <KIND>", `of one kind: ${KINDS.join(", ")}`)
      .option(...LABEL_OPTION)
      .option("--since <REVISION>", "all after this revision, in the place of the last few")
      .option("--limit <COUNT>", "so many of the newest", "100");
  },
  ask: (conductor, flags, ids) => asking(conductor, flags, ids),
  columns: [
    { heading: "REVISION", of: ({ revision }) => String(revision) },
    { heading: "TIME (UTC)", of: ({ time }) => secondText(time) },
    { heading: "KIND", of: ({ kind }) => kind },
    { heading: "NODE", of: ({ node }) => node.name },
    { heading: "ID", of: ({ uuid }) => uuid?.slice(0, 8) ?? "-" },
    { heading: "WHAT", of: aboutText },
    { heading: "SOURCE", wide: true, of: ({ source }) => source ?? "-" },
    { heading: "REASON", of: changeText },
  ],
  key: ({ revision, node, uuid, alarm }) => `${revision} ${node.id} ${uuid} ${alarm?.id}`,
  handle: ({ revision }) => String(revision),
  none: "nothing changed",
  nothing: "there is no change",
  inFeed: true,
  log: true,
};

/** The newest changes that a filter of the feed lets pass, the oldest of them first. */
async function newest(
  conductor: Conductor,
  filter: URLSearchParams,
  { count, is }: { count: number; is: (change: Change) => boolean },
) {
  const found: Change[] = [];
  let revision: number | null = null;
  const query = new URLSearchParams(filter);
  query.set("order", "desc");
  query.set("limit", String(Math.min(count, 1000)));
  for await (const page of bodies<Change>(conductor.ask, "changes", "/changes", query)) {
    found.push(...page.rows.filter(is));
    revision ??= Number(page.body.revision);
    if (found.length >= count) break;
  }
  return { rows: found.slice(0, count).toReversed(), revision: revision ?? 0 };
}

async function asking(conductor: Conductor, flags: Flags, ids: string[]): Promise<Asking<Change>> {
  const kind = word("--kind", textOf(flags, "kind"), KINDS);
  const said = textOf(flags, "node");
  const node = said === undefined ? undefined : await nodeCalled(conductor, said);
  const limit = whole("--limit", textOf(flags, "limit") ?? "100", 1);
  const since = textOf(flags, "since");
  const filter = new URLSearchParams();
  if (kind !== undefined) filter.set("kind", kind);
  if (node !== undefined) filter.set("node", node.id);
  const revisions = ids.map((id) => whole("a revision", id, 1));

  const isAlso = await labelled(conductor, flags);
  const isChosen = (change: Change) =>
    (kind === undefined || change.kind === kind) &&
    (node === undefined || change.node.id === node.id) &&
    isAlso(change.node.id);

  async function after(from: number, filtered: URLSearchParams) {
    const query = new URLSearchParams(filtered);
    query.set("since", String(from));
    const rows: Change[] = [];
    let revision = from;
    for await (const page of bodies<Change>(conductor.ask, "changes", "/changes", query)) {
      rows.push(...page.rows.filter(isChosen));
      revision = Math.max(revision, page.rows.at(-1)?.revision ?? Number(page.body.revision));
    }
    return { rows, revision };
  }

  return {
    async list() {
      if (revisions.length > 0) {
        const rows: Change[] = [];
        for (const revision of revisions) {
          const query = new URLSearchParams({ since: String(revision - 1), limit: "1" });
          const page = (await conductor.ask(`/changes?${query}`)) as { changes: Change[] };
          const [one] = page.changes;
          if (one?.revision !== revision)
            throw new Exit(1, `no change has revision ${revision}, or it is kept no more`);
          rows.push(one);
        }
        return { rows, revision: revisions.at(-1) ?? 0 };
      }
      return since === undefined
        ? newest(conductor, filter, { count: limit, is: isChosen })
        : after(whole("--since", since, 0), filter);
    },
    touched: async (change) => ({ rows: isChosen(change) ? [{ row: change, leaves: false }] : [] }),
  };
}
