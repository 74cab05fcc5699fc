import { type Operation, OperationStatus } from "../../../contract/operation.ts";
import { Exit } from "../../exit.ts";
import type { Conductor } from "../../operator/conductor.ts";
import { bodies } from "../../operator/pages.ts";
import { spanText } from "../../show/age.ts";
import { ago } from "../columns.ts";
import { type Asking, type Flags, type Kind, type Look, textOf } from "../kind.ts";
import { theOne } from "../select.ts";
import { whole, word } from "../words.ts";
import { unknown } from "./known.ts";

/** A conductor may know more. */
const KINDS = ["discovery", "setup"];

const took = ({ started_at, finished_at }: Operation, { now }: Look): string =>
  spanText((finished_at === null ? now : Date.parse(finished_at)) - Date.parse(started_at));

const doneOf = ({ summary, children }: Operation): string => {
  const { total, in_progress } = summary ?? {
    total: children.length,
    in_progress: children.filter(({ status }) => status === "IN-PROGRESS").length,
  };
  return `${total - in_progress}/${total}`;
};

/** The first of those that failed, and how many more have. */
function why({ children, summary }: Operation): string {
  const failed = children.filter(({ status }) => status === "FAILED" || status === "PARTIAL");
  const [first] = failed;
  if (!first) return "-";
  const all = summary ? summary.failed + summary.partial : failed.length;
  return `${first.name}: ${first.error ?? first.status}${all > 1 ? `; and ${all - 1} more` : ""}`;
}

export const operations: Kind<Operation> = {
  name: "operations",
  one: "operation",
  aliases: ["operation", "op", "ops"],
  summary: "discoveries and setups: how far they are, and what failed",
  filters: (command) => {
    command
      .option("--kind <KIND>", `of one kind, such as ${KINDS.join(" or ")}`)
      .option("--status <STATUS>", `in one status: ${OperationStatus.options.join(", ")}`)
      .option("--limit <COUNT>", "so many of the newest", "100");
  },
  ask: (conductor, flags, ids) => asking(conductor, flags, ids),
  columns: [
    { heading: "ID", of: ({ uuid }) => uuid.slice(0, 8) },
    { heading: "KIND", of: ({ kind }) => kind },
    { heading: "STATUS", of: ({ status }) => status },
    ago("STARTED", ({ started_at }) => started_at),
    { heading: "TOOK", of: took },
    { heading: "DONE", of: doneOf },
    { heading: "REASON", of: why },
  ],
  key: ({ uuid }) => uuid,
  handle: ({ uuid }) => uuid,
  none: "no operation is like that",
  nothing: "there is no operation",
  inFeed: false,
};

function asking(conductor: Conductor, flags: Flags, ids: string[]): Asking<Operation> {
  const status = word("--status", textOf(flags, "status"), OperationStatus.options);
  const kind = textOf(flags, "kind");
  const limit = whole("--limit", textOf(flags, "limit") ?? "100", 1);
  if (kind !== undefined && !/^\w{1,64}$/.test(kind))
    throw new Exit(2, `--kind: expected a kind such as discovery, found ${JSON.stringify(kind)}`);
  const query = new URLSearchParams();
  if (status !== undefined) query.set("status", status);
  if (kind !== undefined) query.set("kind", kind);
  return {
    async list() {
      const rows: Operation[] = [];
      let revision = 0;
      for await (const page of bodies<Operation>(conductor.ask, "operations", "/operations", query)) {
        rows.push(...page.rows);
        revision = Number(page.body.revision);
        if (ids.length === 0 && rows.length >= limit) break;
      }
      if (rows.length === 0 && kind !== undefined && !KINDS.includes(kind))
        throw unknown("--kind", kind, KINDS, "operation");
      if (ids.length === 0) return { rows: rows.slice(0, limit), revision };
      return {
        rows: ids.map((id) => theOne(rows, id, "operations", ({ uuid }) => ({ id: uuid, names: [] }))),
        revision,
      };
    },
    touched: async () => ({ rows: [] }),
  };
}
