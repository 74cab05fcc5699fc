import type { DiscoveryFilter } from "../../../contract/fleet/discovery.ts";
import type { Operation } from "../../../contract/operation.ts";
import { SinewError } from "../../../contract/problem.ts";
import { findNode, getNode, listNodes, type NodeRow } from "../../../db/queries/nodes.ts";
import {
  failedOperation,
  type Interrupted,
  interrupted,
  runningOperation,
  saveOperation,
  takeOperation,
  takeTurns,
} from "../../../db/queries/operations.ts";
import { sleep } from "../../../world.ts";
import { createLimiter } from "../../limiter.ts";
import { type ChildWork, createOperations, type Operations } from "../../operations/operations.ts";
import { storedOperation } from "../../operations/stored.ts";
import { shown } from "../../operations/summary.ts";
import type { Fleet } from "../fleet.ts";
import { hasLabels } from "../labels.ts";

const KIND = "discovery";
/** Most of a discovery is waiting for the node: on links that costs little, while calls are 256 at once in all. */
const AT_ONCE = { link: 256, call: 48 };
/** After a restart links have to be dialled first. */
const LINK_MS = 45_000;
const LOOK_MS = 500;

export interface Discoveries {
  operations: Operations;
  /**
   * Looks for hardware on the nodes that the filter is about; joins the same that runs already, at whatever conductor.
   * Resolves once it is stored. Throws SinewError not_found for a node that nobody knows.
   */
  start(filter: DiscoveryFilter): Promise<Operation>;
  operation(uuid: string, waitMs: number): Promise<Operation | null>;
  /** Goes on with what a conductor that ended has left under way, and says of the rest that it failed. */
  recover(): Promise<void>;
}

/** `discover`: of one node, whoever asks it. */
export function createDiscoveries(
  fleet: Pick<Fleet, "db" | "world" | "presence" | "links" | "members">,
  discover: (node: string) => ReturnType<ChildWork["run"]>,
): Discoveries {
  const { db, world, presence, links, members } = fleet;
  const onLinks = createLimiter(AT_ONCE.link);
  const byCalls = createLimiter(AT_ONCE.call);
  const operations = createOperations(world, async (operation, asked) => {
    const request = asked && { ...asked, ...(operation.finished_at === null ? {} : { summary: operation.summary }) };
    if (!(await db.write((tx) => saveOperation(tx, operation, { owner: presence.id, request }))))
      world.log("warn", "another conductor goes on with an operation", { operation: operation.uuid });
  });

  const workOf = ({ id, name, endpoint, key }: Pick<NodeRow, "id" | "name" | "endpoint" | "key">): ChildWork => ({
    ...{ key: id, name, endpoint },
    async run() {
      if (key === null && endpoint === null)
        throw new Error("it has to join again first: nothing says how it is reached");
      return (key === null ? byCalls : onLinks)(() => discover(id));
    },
  });

  /** The nodes there are to ask, whoever has them. */
  async function select({ node, labels = {}, state }: DiscoveryFilter): Promise<ChildWork[]> {
    const works: ChildWork[] = [];
    for (let after: string | undefined; ; ) {
      const { rows } = await listNodes(db.read, { state, after, limit: 1_000 });
      for (const { row } of rows) {
        // They have said that they are not there, or nobody has seen them yet.
        if (state === undefined && ["LEFT", "EXPECTED"].includes(row.state)) continue;
        if (node !== undefined && row.id !== node.toLowerCase() && row.name !== node) continue;
        const own = JSON.parse(row.labels) as Record<string, string>; // written from a Node's labels only
        if (hasLabels(own, labels)) works.push(workOf(row));
      }
      after = rows.at(-1)?.row.id;
      if (rows.length < 1_000) return works;
      await sleep(world, 0);
    }
  }

  /** The children that an interrupted discovery had, in their order. */
  async function again(keys: string[], operation: Operation): Promise<ChildWork[]> {
    const works: ChildWork[] = [];
    for (const [index, id] of keys.entries()) {
      if (index % 256 === 255) await sleep(world, 0);
      const row = operation.children[index]?.status === "IN-PROGRESS" ? await getNode(db.read, id) : null;
      const gone = async () => {
        throw new Error("the node is in the fleet no more");
      };
      const work = row ? workOf(row) : { key: id, name: id, endpoint: null, run: gone };
      works.push({ ...work, run: () => dialled(id).then(work.run) });
    }
    return works;
  }

  /** Resolves when a node of this conductor has dialled, or has had the time to. */
  async function dialled(id: string) {
    const until = world.monotonic() + LINK_MS;
    while (world.monotonic() < until) {
      const tracked = members.get(id);
      if (!tracked || tracked.row.key === null || links.has(id) || tracked.row.state === "LOST") return;
      await sleep(world, LOOK_MS);
    }
  }

  async function goOn({ operation, request }: Interrupted) {
    const known = request !== null && request.keys.length === operation.children.length;
    if (operation.kind !== KIND || !known) {
      const failed = failedOperation(operation, world.now());
      await db.write((tx) => saveOperation(tx, failed, { owner: presence.id }));
      return;
    }
    const { scope, keys } = request;
    const children = () => (keys.length > 0 ? again(keys, operation) : select(JSON.parse(scope)));
    operations.resume(operation, children, scope);
  }

  return {
    operations,
    async start(filter) {
      if (filter.node !== undefined && !(await findNode(db.read, filter.node)))
        throw new SinewError("not_found", `filter.node: there is no node ${filter.node}`);
      const scope = scopeOf(filter);
      const operation: Operation = {
        ...{ uuid: world.uuid(), kind: KIND, status: "IN-PROGRESS" },
        ...{ started_at: world.now().toISOString(), finished_at: null, children: [] },
      };
      try {
        const other = await db.write(async (tx) => {
          await takeTurns(tx);
          const found = await runningOperation(tx, KIND, scope);
          if (!found) await saveOperation(tx, operation, { owner: presence.id, request: { scope, keys: [] } });
          return found;
        });
        if (other) return operations.get(other.uuid) ?? shown(other);
      } catch (error) {
        // It may be stored all the same, and would be under way for ever.
        operations.resume(operation, () => Promise.reject(error), scope);
        throw error;
      }
      operations.resume(operation, () => select(filter), scope);
      return shown(operation);
    },
    async operation(uuid, waitMs) {
      const own = await operations.wait(uuid, waitMs);
      if (own) return own;
      const stored = await storedOperation(db, world, { uuid, waitMs });
      return stored && shown(stored);
    },
    async recover() {
      // Of a Sinew that did not note whose an operation is: while others serve, it may be theirs.
      for (const one of await interrupted(db.read, presence.id, { unowned: !presence.shared })) {
        if (operations.get(one.operation.uuid)) continue;
        if (await db.write((tx) => takeOperation(tx, one, presence.id))) await goOn(one);
      }
    },
  };
}

/** The same filter in the same words, however it was written. */
const scopeOf = ({ node, labels, state }: DiscoveryFilter): string =>
  JSON.stringify({ node, labels: labels && Object.fromEntries(Object.entries(labels).sort()), state });
