import type { Said } from "../../../contract/fleet/given.ts";
import type { Freshness, Hardware, Source } from "../../../contract/hardware.ts";
import type { NodeState } from "../../../contract/node.ts";
import { SinewError } from "../../../contract/problem.ts";
import type { Database, Writer } from "../../../db/database.ts";
import { type Given, givenTo, moveGiven, saveGiven } from "../../../db/queries/fleet/given.ts";
import { holdNode, takeNode } from "../../../db/queries/fleet/owners.ts";
import { bodyOf, type HardwareRow, hardwareOfNode } from "../../../db/queries/hardware.ts";
import { addNode, lockNodes, type NodeFacts, saveNode } from "../../../db/queries/nodes.ts";
import {
  AGENT_SOURCE,
  lastGood,
  replaceSources,
  sourceRow,
  sourcesOfNode,
  toSource,
} from "../../../db/queries/sources.ts";
import type { NodeRow } from "../../../db/schema/tables.ts";
import { placeholderOf, replacePlaceholder } from "../expected/unseen.ts";
import { hasWords, saysSame, shownOf } from "../given/shown.ts";
import { changedSources, type DeviceChange } from "./reconcile.ts";
import { type Breathe, breathing, record } from "./record.ts";

/** Shows a node's last-good devices as old; the changes to record. */
const staleDevices = async (tx: Writer, nodeId: string): Promise<DeviceChange[]> =>
  (await hardwareOfNode(tx, nodeId)).filter(({ freshness }) => freshness === "FRESH").map(asStale);

const asStale = ({ body }: HardwareRow): DeviceChange => ({
  ...{ kind: "changed", device: { ...JSON.parse(body), freshness: "STALE" }, body },
});

/** A node's devices, each with the name that it has now, and if so `stale`. */
export const renamedDevices = async (
  tx: Writer,
  node: Hardware["node"],
  { stale = false }: { stale?: boolean } = {},
): Promise<DeviceChange[]> =>
  (await hardwareOfNode(tx, node.id)).map((row) => {
    // Written from a Freshness only, and by bodyOf.
    const freshness = stale && row.freshness === "FRESH" ? "STALE" : (row.freshness as Freshness);
    const device: Hardware = { ...JSON.parse(row.body), node, freshness };
    return { kind: "changed", device, body: bodyOf(device) };
  });

const readSources = async (tx: Writer, nodeId: string) => (await sourcesOfNode(tx, nodeId)).map(toSource);

const writeSources = (tx: Writer, nodeId: string, sources: Source[]) =>
  replaceSources(
    tx,
    nodeId,
    sources.map((source) => sourceRow(nodeId, source)),
  );

/** Sources of a node, each good until then; where its agent gives no good answer, that it is heard says nothing of them. */
const datedSources = (sources: Source[], last_seen: string | null): Source[] => {
  const answers = sources.every(({ name, status }) => name !== AGENT_SOURCE || status === "OK");
  return answers ? sources.map((source) => lastGood(source, last_seen)) : sources;
};

/** Of a node that no longer answers no source is OK; the changed ones, which were good until it was heard last. */
async function staleSources(tx: Writer, row: Pick<NodeRow, "id" | "name" | "state" | "last_seen">): Promise<Source[]> {
  const before = await readSources(tx, row.id);
  const error = { code: "unreachable", message: `node ${row.name} is ${row.state}` } as const;
  const after = datedSources(before, row.last_seen).map(
    (source): Source => (source.status === "OK" ? { ...source, status: "STALE", error } : source),
  );
  await writeSources(tx, row.id, after);
  return changedSources(before, after);
}

/** What was to be written has turned out to be wrong. */
class Spared extends Error {}

/** Whose a node was when it was written: one's own, or another's from whom it was taken, who may have written of it. */
type Owned = "own" | "taken";

/** How a node is shown from then on, and whose it was. */
interface Written extends Pick<NodeRow, "name" | "labels"> {
  given: Given | null;
  owned: Owned;
}

/**
 * Stores a node and its new state in one transaction; `devices: "stale"` when it no longer answers for them. `owner` has it
 * from then on; `held`: only if it has it already, as silence is its owner's to judge. Null: it has not, and nothing was
 * written; nor is it where `unless` is true in the end: a database may take its time. `says` is what the node says of itself,
 * now: without it its name and labels stay what they are, and with it what an operator gave still comes first. What is the
 * same already changes nothing, so that it can be said again when it is not known whether it was heard. `rest`
 * lets others run where many devices are written. Throws SinewError unauthorized for a node that had joined, and is
 * forgotten.
 */
export function writeState(
  db: Database,
  row: Omit<NodeFacts, "revision" | "reported">,
  options: {
    now: string;
    devices: "stale" | "keep";
    owner: string;
    held?: boolean;
    says?: Said | undefined;
    unless?: (() => boolean) | undefined;
    rest?: Breathe;
  },
): Promise<Written | null> {
  const { now, owner, held = false, says, rest = async () => {} } = options;
  const writing = db.write(async (tx) => {
    let first = false;
    let stored = await holdNode(tx, row.id, owner);
    const owned: Owned = stored ? "own" : "taken";
    if (!stored && held) return null;
    stored ??= await takeNode(tx, row.id, owner);
    if (!stored) {
      if (row.key !== null)
        throw new SinewError(
          "unauthorized",
          `node ${row.id} has been forgotten: it has to join again with a new token`,
        );
      // Two conductors may both hear it for the first time: one row, and who comes second sees what the first one wrote.
      await addNode(tx, { ...row, generation: null, first_seen: now, reported: null, owner: null, revision: 0 });
      stored = await takeNode(tx, row.id, owner);
      if (!stored) throw new Error(`node ${row.id} has just been written`);
      first = stored.revision === 0;
      // What an operator did about the one that was expected is about this one.
      // Nothing more is given to that one meanwhile, which would be forgotten with it.
      if (first && says) {
        await lockNodes(tx, [placeholderOf(says.name)]);
        await moveGiven(tx, placeholderOf(says.name), row.id);
      }
    }
    const given = await givenTo(tx, "node", row.id);
    const shown = says ? textsOf(given ? shownOf(given, says) : says) : { name: stored.name, labels: stored.labels };
    const next = { ...row, ...shown };
    const node = { id: row.id, name: next.name };
    // These belong to writeReports, the key to admission: a hello that began before must not set them back.
    const { generation, reported, key, first_seen } = stored;
    const wasSeen = stored.last_seen !== null;
    const kept = { generation, reported, key, first_seen: wasSeen ? first_seen : row.first_seen };
    const stale = options.devices === "stale";
    const isRenamed = !first && stored.name !== next.name;
    const ownStale = () => (stale ? staleDevices(tx, row.id) : []);
    const changes = isRenamed ? await renamedDevices(tx, node, { stale }) : await ownStale();
    const sources = stale ? await staleSources(tx, next) : [];
    const said = given && says && hasWords(given) && !saysSame(given.said, says) ? { ...given, said: says } : null;
    const same = !first && changes.length + sources.length === 0 && saysNothing(stored, next) && !said;
    if (same) return { ...shown, given, owned };
    const state = { state: row.state as NodeState, sources, listed: isRenamed };
    const revision = await record(tx, [{ node, now, changes, state }], breathing(changes, rest));
    if (revision !== null) await saveNode(tx, { ...next, ...kept, revision });
    if (revision !== null && said) await saveGiven(tx, "node", row.id, said, revision);
    if (first || isRenamed) await replacePlaceholder(tx, { ...node, former: first ? null : stored.name }, now);
    if (options.unless?.()) throw new Spared();
    return { ...shown, given: said ?? given, owned };
  });
  return writing.catch((error) => {
    if (error instanceof Spared) return null;
    throw error;
  });
}

const textsOf = ({ name, labels }: Said) => ({ name, labels: JSON.stringify(labels) });

/** Whether a row says of its node what is stored already; when it was heard last does not count. */
const saysNothing = (stored: NodeRow, row: Omit<NodeFacts, "revision" | "reported">) =>
  (["name", "state", "labels", "endpoint", "api", "boot_id", "conditions"] as const).every(
    (column) => stored[column] === row[column],
  );

/**
 * Records that a node's agent did not give a good answer: its last-good devices are shown as old. False: it is not `owner`'s
 * any more, so that this is not for it to say.
 */
export function writeFailure(
  db: Database,
  source: Source,
  context: { node: string; state: NodeState; now: string; owner: string },
): Promise<boolean> {
  const { state, now } = context;
  return db.write(async (tx) => {
    const row = await holdNode(tx, context.node, context.owner);
    if (!row) return false;
    const node = { id: row.id, name: row.name };
    const before = await readSources(tx, node.id);
    // From now on nothing says that they are good: until now its hellos did.
    const others = datedSources(before, row.last_seen).filter(({ name }) => name !== source.name);
    const changes = await staleDevices(tx, node.id);
    const sources = [...others, source];
    await writeSources(tx, node.id, sources);
    const changed = changedSources(before, sources);
    await record(tx, [{ node, now, changes, state: changed.length > 0 ? { state, sources: changed } : null }]);
    return true;
  });
}
