import type { Change } from "../../../contract/change.ts";
import type { FleetSource, Source } from "../../../contract/hardware.ts";
import type { Node } from "../../../contract/node.ts";
import type { Conductor } from "../../operator/conductor.ts";
import { bodies } from "../../operator/pages.ts";
import { ago, orNone } from "../columns.ts";
import { type Asking, type Flags, type Kind, textOf } from "../kind.ts";
import { theOne } from "../select.ts";
import { hasLabels, LABEL_OPTION, labelsOf, word } from "../words.ts";
import { nodeCalled, stateAction } from "./nodes.ts";

const STATUSES = ["OK", "STALE", "NEVER"] as const;

/** Where its node is away, that is to be mended; its own log says nothing. */
const actionOf = ({ name, node, error }: FleetSource): string => {
  // As a conductor says it of each source of a node that it has written down as away.
  const [, state = ""] = /^node .* is ([A-Z]+)$/.exec(error?.message ?? "") ?? [];
  return stateAction(state, node.name) ?? `read the log of ${name} on ${node.name}, and \`sinew scan\` there`;
};

const why = ({ error }: Source): string => (error ? `${error.code}: ${error.message}` : "-");

export const sources: Kind<FleetSource> = {
  name: "sources",
  one: "source",
  aliases: ["source"],
  summary: "the drivers that report hardware, and which of them do not answer",
  filters: (command) => {
    command
      .option(...LABEL_OPTION)
      .option("--node <NODE>", "of one node, by its name or id")
      .option("--status <STATUS>", `in one status: ${STATUSES.join(", ")}`);
  },
  ask: (conductor, flags, ids) => asking(conductor, flags, ids),
  columns: [
    { heading: "NODE", of: ({ node }) => node.name },
    { heading: "NAME", of: ({ name }) => name },
    { heading: "TYPE", of: ({ type }) => orNone(type) },
    { heading: "STATUS", of: ({ status }) => status },
    ago("LAST GOOD", ({ observed_at }) => observed_at),
    { heading: "DEVICES", of: ({ count }) => String(count) },
    { heading: "ENDPOINT", wide: true, of: ({ endpoint }) => orNone(endpoint) },
    {
      heading: "REASON",
      of: (source) => (source.error ? `${why(source)} (${actionOf(source)})` : "-"),
    },
  ],
  key: ({ node, name }) => `${node.id} ${name}`,
  handle: ({ node, name }) => `${node.name}/${name}`,
  none: "no source is like that",
  nothing: "there is no source yet",
  heard: true,
  inFeed: true,
};

async function asking(conductor: Conductor, flags: Flags, ids: string[]): Promise<Asking<FleetSource>> {
  const status = word("--status", textOf(flags, "status"), STATUSES);
  const said = textOf(flags, "node");
  const node = said === undefined ? undefined : await nodeCalled(conductor, said);
  const labels = labelsOf(textOf(flags, "label"));
  const query = new URLSearchParams();
  if (status !== undefined) query.set("status", status);
  if (node !== undefined) query.set("node", node.id);
  for (const label of labels) query.append("label", label);
  const chosen = new Set<string>();

  async function isChosen(source: FleetSource): Promise<boolean> {
    if (ids.length > 0) return chosen.has(sources.key(source));
    if (status !== undefined && source.status !== status) return false;
    if (node !== undefined && source.node.id !== node.id) return false;
    if (labels.length === 0) return true;
    const at = (await conductor.find(`/nodes/${source.node.id}`)) as Node | null;
    return at !== null && hasLabels(at.labels, labels);
  }

  return {
    async list() {
      const rows: FleetSource[] = [];
      let revision: number | null = null;
      for await (const page of bodies<FleetSource>(conductor.ask, "sources", "/sources", query)) {
        rows.push(...page.rows);
        revision ??= Number(page.body.revision);
      }
      if (ids.length === 0) return { rows, revision: revision ?? 0 };
      const words = ({ node, name }: FleetSource) => ({
        id: "",
        names: [`${node.name}/${name}`, `${node.id}/${name}`],
      });
      const picked = ids.map((id) => theOne(rows, id, "sources", words));
      for (const one of picked) chosen.add(sources.key(one));
      return { rows: picked, revision: revision ?? 0 };
    },
    async touched({ kind, node: of, sources: said, uuid }: Change) {
      if (kind === "forgotten" && uuid === null) return { rows: [], forgotten: (one) => one.node.id === of.id };
      const rows: { row: FleetSource; leaves: boolean }[] = [];
      for (const one of said ?? []) {
        const row = { ...one, node: of };
        rows.push({ row, leaves: !(await isChosen(row)) });
      }
      return { rows };
    },
  };
}
