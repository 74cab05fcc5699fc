import type { AlarmSeverity } from "../../../contract/fleet/alarm.ts";
import type { Window } from "../../../contract/fleet/window.ts";
import type { Database, Writer } from "../../../db/database.ts";
import { devicesOf, factsOf, lockAlarms, openAlarm, openAlarms } from "../../../db/queries/fleet/alarms.ts";
import type { World } from "../../../world.ts";
import { commit, type Drafts } from "./commit.ts";
import type { Kinds } from "./kinds.ts";
import { type Over, overOf } from "./over.ts";
import { OUTAGE, type Problem, problemsOf } from "./problems.ts";
import {
  type AlarmBody,
  bodyOf,
  isNews,
  isOutdated,
  newRow,
  SHOWN,
  type StoredAlarm,
  said,
  severityOf,
} from "./rows.ts";
import { silencedBy } from "./windows/match.ts";

/** What an alarm is to become, if what was seen is so when it is written. */
export interface Intent {
  fingerprint: string;
  node: string;
  to: "pending" | "firing" | "resolved" | "dropped" | "updated" | "folded";
  /** A lost node that is no member of the outage: it fires though one is open. */
  alone?: boolean;
}

/** What writing alarms takes. */
export interface Context {
  db: Database;
  world: Pick<World, "now" | "uuid">;
  kinds: Kinds;
  /** Who is notified. */
  targets: readonly string[];
  /** The windows that are now. */
  windows(): readonly Window[];
}

/** An alarm that fires from now on. */
export function firing(row: StoredAlarm, body: AlarmBody, context: Context, now: string) {
  const node = row.node_id === null ? null : { id: row.node_id, name: row.node_name ?? "" };
  // Written from an AlarmKind only.
  const matched = { kind: row.kind as Problem["kind"], node, labels: body.labels, says: body.says };
  const silenced_by = silencedBy(context.windows(), matched);
  const notify = silenced_by === null;
  const next = { ...body, silenced_by, notified: notify ? row.severity : null };
  return { row: { ...row, state: "firing", fired_at: now, body: JSON.stringify(next) }, notify };
}

/** An alarm that is over. It is acknowledged no more. */
export function resolved(row: StoredAlarm, more: Partial<AlarmBody>, now: string) {
  const body = { ...bodyOf(row), ...more, acknowledged: null };
  return {
    row: { ...row, state: "resolved", open: null, resolved_at: now, body: JSON.stringify(body) },
    notify: body.notified !== null,
  };
}

/**
 * Writes these intents in one transaction. What is seen there decides: another evaluator may have been first, and what was
 * true when the intent was made may be so no more.
 */
export const apply = (context: Context, intents: readonly Intent[]): Promise<void> =>
  context.db.write(async (tx) => {
    const { db, world } = context;
    const now = world.now().toISOString();
    await lockAlarms(tx);
    const nodes = [...new Set(intents.map(({ node }) => node))];
    const facts = await factsOf(tx, nodes);
    const problems = problemsOf(facts);
    const rows = new Map((await openAlarms(tx, nodes)).map(({ position: _, ...row }) => [row.fingerprint, row]));
    const outage = (await openAlarm(tx, OUTAGE)) !== null;
    const ending = intents.flatMap(({ fingerprint, to }) => (to === "resolved" ? (rows.get(fingerprint) ?? []) : []));
    const over = await overOf(tx, ending, facts.nodes);
    const drafts: Drafts = { rows: [], dropped: [] };
    for (const { fingerprint, to, alone = false } of intents) {
      const about = { context, now, outage, folds: outage && !alone, over: over.get(fingerprint) ?? {} };
      const draft = draftOf(to, problems.get(fingerprint), rows.get(fingerprint), about);
      if (draft === null) continue;
      if ("dropped" in draft) drafts.dropped.push(draft.dropped);
      else drafts.rows.push(draft);
    }
    await withDevices(tx, drafts);
    await commit(tx, drafts, { epoch: db.epoch, now, targets: context.targets });
  });

type Draft = Drafts["rows"][number] | { dropped: string } | null;

function draftOf(
  to: Intent["to"],
  problem: Problem | undefined,
  row: StoredAlarm | undefined,
  {
    context,
    now,
    outage,
    folds,
    over,
  }: { context: Context; now: string; outage: boolean; folds: boolean; over: Partial<Over> },
): Draft {
  const { kinds, world } = context;
  const fires = row?.state === "firing";
  switch (to) {
    case "pending":
      return problem?.opens && !row ? { row: newRow(problem, { id: world.uuid(), now, kinds }), notify: false } : null;
    case "firing": {
      if (!problem?.opens || fires) return null;
      const node = { id: problem.node.id, name: problem.node.name };
      if (folds && problem.kind === "agent.lost" && silencedBy(context.windows(), { ...problem, node }) === null)
        return null;
      const base = row ?? newRow(problem, { id: world.uuid(), now, kinds });
      const severity = severityOf(problem, kinds);
      return firing({ ...base, severity }, { ...bodyOf(base), ...said(problem) }, context, now);
    }
    case "resolved":
      return !problem && row && fires ? resolved(row, over, now) : null;
    case "folded":
      return row && fires && outage
        ? resolved(row, { reason: "PartOfOutage", message: "it is a member of an outage, which is an alarm" }, now)
        : null;
    case "dropped":
      return row && !fires && !problem?.opens ? { dropped: row.id } : null;
    case "updated": {
      if (!problem || !row || !fires || !isOutdated(row, problem, kinds)) return null;
      const severity = severityOf(problem, kinds);
      const before = bodyOf(row);
      const { devices, ...rest } = said(problem);
      // With other labels another window may match, or none.
      const silenced_by = silencedBy(context.windows(), problem);
      const notify = silenced_by === null && isNews(severity, before.notified);
      const body: AlarmBody = {
        ...{
          ...before,
          ...rest,
          silenced_by,
          trigger: problem.node,
          devices: devices.total > 0 ? devices : before.devices,
        },
        notified: notify ? severity : before.notified,
        former: severity === row.severity ? before.former : (row.severity as AlarmSeverity), // written from one
      };
      return { row: { ...row, severity, node_name: problem.node.name, body: JSON.stringify(body) }, notify };
    }
  }
}

/** Of many sources, whose devices are not the node's. */
const isOfSources = ({ kind, source }: StoredAlarm) => kind === "source.failed" && source === null;

/** Names the devices of nodes and sources whose alarm begins to fire. */
async function withDevices(tx: Writer, { rows }: Drafts): Promise<void> {
  const whole = rows.filter(
    ({ row }) => row.state === "firing" && row.uuid === null && bodyOf(row).devices.total === 0 && !isOfSources(row),
  );
  const nodes = [...new Set(whole.flatMap(({ row }) => row.node_id ?? []))];
  if (nodes.length === 0) return;
  const devices = Map.groupBy(await devicesOf(tx, nodes), ({ node_id }) => node_id);
  for (const { row } of whole) {
    const own = (devices.get(row.node_id ?? "") ?? []).filter(
      ({ source }) => row.source === null || row.source === source,
    );
    const uuids = own.map(({ uuid }) => uuid);
    const body = { ...bodyOf(row), devices: { total: uuids.length, uuids: uuids.slice(0, SHOWN) } };
    row.body = JSON.stringify(body);
  }
}
