import type { Operation, OperationChild, OperationStatus } from "../contract/operation.ts";
import type { World } from "../world.ts";

/** Kept in memory per tier; the oldest finished ones leave first. */
const KEPT = 100;
/** Progress is stored this often; the beginning and the end always are. */
const SAVE_MS = 1_000;

/** One child's way through an operation: it is told here, once, how it ended. */
export interface ChildWork {
  name: string;
  endpoint: string | null;
  /** Resolves with what was found; `status` other than SUCCEEDED says that not all of it was. */
  run(): Promise<{ found: number; status: OperationStatus; error: string | null }>;
}

export interface Operations {
  /** Starts an operation, or joins the one of this kind that runs already. */
  start(kind: string, children: () => Promise<ChildWork[]>): Operation;
  get(uuid: string): Operation | null;
  /** The operation as soon as it is finished, or as it stands after `ms`. Null: not known. */
  wait(uuid: string, ms: number): Promise<Operation | null>;
  /** Resolves when nothing runs any more. */
  idle(): Promise<void>;
}

/** SUCCEEDED when every child did, FAILED when none did any good, PARTIAL between. */
function outcome(children: OperationChild[]): OperationStatus {
  if (children.every((child) => child.status === "SUCCEEDED")) return "SUCCEEDED";
  return children.every((child) => child.status === "FAILED") ? "FAILED" : "PARTIAL";
}

/** `save` is called at the start, with progress, and at the end, so that a store can hold what a crash would lose. */
export function createOperations(
  world: World,
  save: (operation: Operation) => Promise<void> = async () => {},
): Operations {
  const kept = new Map<string, { operation: Operation; done: Promise<void> }>();
  let lastSave = 0;
  const running = new Map<string, string>();

  const trim = () => {
    for (const [uuid, { operation }] of kept) {
      if (kept.size <= KEPT) return;
      if (operation.finished_at !== null) kept.delete(uuid);
    }
  };

  async function runChild(operation: Operation, child: OperationChild, work: ChildWork) {
    try {
      Object.assign(child, await work.run());
    } catch (error) {
      // Reported, not swallowed: the operation is where its reader looks.
      Object.assign(child, { status: "FAILED", error: error instanceof Error ? error.message : String(error) });
    }
    // Whole documents: one for each child of a large fleet would be the square of the fleet in writes.
    if (world.monotonic() - lastSave < SAVE_MS) return;
    lastSave = world.monotonic();
    await save(operation);
  }

  async function run(operation: Operation, children: () => Promise<ChildWork[]>) {
    try {
      const works = await children();
      operation.children = works.map(({ name, endpoint }) => ({
        name,
        endpoint,
        status: "IN-PROGRESS" as const,
        found: null,
        error: null,
      }));
      await save(operation);
      await Promise.all(
        works.map((work, index) => {
          const child = operation.children[index];
          return child ? runChild(operation, child, work) : undefined;
        }),
      );
      operation.status = outcome(operation.children);
    } catch (error) {
      world.log("error", "an operation could not be carried through", {
        operation: operation.uuid,
        error: String(error),
      });
      operation.status = "FAILED";
      const because = error instanceof Error ? error.message : String(error);
      for (const child of operation.children) {
        if (child.status === "IN-PROGRESS") Object.assign(child, { status: "FAILED", error: because });
      }
    }
    operation.finished_at = world.now().toISOString();
    running.delete(operation.kind);
    trim();
    await save(operation).catch((error) =>
      world.log("error", "an operation's end could not be stored", { operation: operation.uuid, error: String(error) }),
    );
  }

  const get = (uuid: string) => {
    const found = kept.get(uuid);
    return found ? structuredClone(found.operation) : null;
  };

  return {
    start(kind, children) {
      const joined = running.get(kind);
      const current = joined === undefined ? null : get(joined);
      if (current) return current;
      const operation: Operation = {
        uuid: world.uuid(),
        kind,
        status: "IN-PROGRESS",
        started_at: world.now().toISOString(),
        finished_at: null,
        children: [],
      };
      running.set(kind, operation.uuid);
      kept.set(operation.uuid, { operation, done: run(operation, children) });
      return structuredClone(operation);
    },
    get,
    async wait(uuid, ms) {
      const entry = kept.get(uuid);
      if (!entry) return null;
      if (entry.operation.finished_at === null && ms > 0) {
        let cancel = () => {};
        const timeout = new Promise<void>((resolve) => {
          cancel = world.timer(ms, resolve);
        });
        await Promise.race([entry.done, timeout]);
        cancel();
      }
      return structuredClone(entry.operation);
    },
    async idle() {
      await Promise.all([...kept.values()].map(({ done }) => done));
    },
  };
}
