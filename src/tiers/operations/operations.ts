import type { Operation, OperationChild, OperationStatus } from "../../contract/operation.ts";
import { SinewError } from "../../contract/problem.ts";
import type { World } from "../../world.ts";
import { shown } from "./summary.ts";

/** Kept in memory per tier; the oldest finished ones leave first. */
const KEPT = 100;
/** Of those on one subject, which are small, and many at once: each is to be there still when the tier above asks again. */
const KEPT_SUBJECTS = 1_000;
/** Progress is stored this often; the beginning and the end always are. */
const SAVE_MS = 1_000;
/** The end is tried again until a store is back. */
const SAVE_TRIES = 600;

/** One child's way through an operation: it is told here, once, how it ended. */
export interface ChildWork {
  /** Finds the same child again when the operation is gone on with after a restart. */
  key?: string;
  name: string;
  endpoint: string | null;
  /** Resolves with what was found; `status` other than SUCCEEDED says that not all of it was. */
  run(): Promise<{ found: number; status: OperationStatus; error: string | null }>;
}

/** What a work that says itself what its children are is told, and tells. */
export interface Reporting {
  operation: string;
  /** All children as they stand. The first call says that the work is under way and can be refused no more. */
  report(children: OperationChild[]): void;
}

export interface Operations {
  /** Starts an operation, or joins the one of this kind and scope that runs already. */
  start(kind: string, children: () => Promise<ChildWork[]>, scope?: string): Operation;
  /** Goes on with one that was stored, whose children these are in their order: those that have ended are left. */
  resume(operation: Operation, children: () => Promise<ChildWork[]>, scope?: string): void;
  /**
   * Starts work on one subject, or joins the same work on it. Resolves once it is under way or done; throws the SinewError
   * that it threw before it was, and `busy` while another work on the subject runs.
   */
  begin(
    what: { kind: string; subject: string; request: string },
    work: (reporting: Reporting) => Promise<OperationStatus>,
  ): Promise<Operation>;
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

const underWay = ({ name, endpoint }: ChildWork): OperationChild => ({
  ...{ name, endpoint, status: "IN-PROGRESS", found: null, error: null },
});

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Ends a work that threw: what was under way has failed, and why stands somewhere. */
function fail(operation: Operation, error: unknown) {
  operation.status = "FAILED";
  const because = reasonOf(error);
  for (const child of operation.children) {
    if (child.status === "IN-PROGRESS") Object.assign(child, { status: "FAILED", error: because });
  }
  if (operation.children.some((child) => child.error === because)) return;
  operation.children.push({ name: operation.kind, endpoint: null, status: "FAILED", found: null, error: because });
}

/** What was asked for, as far as it has to be known to go on. */
export interface Asked {
  scope: string;
  /** Of the children, in their order, while not all have ended. */
  keys: string[];
}

/**
 * `save` is called at the start, with progress, and at the end, so that a store can hold what a crash would lose; `asked`
 * with what goes beside it, where that has changed.
 */
export function createOperations(
  world: World,
  save: (operation: Operation, asked?: Asked) => Promise<void> = async () => {},
): Operations {
  interface Kept {
    operation: Operation;
    done: Promise<void>;
    subject: string | null;
  }
  const kept = new Map<string, Kept>();
  let lastSave = 0;
  /** By kind, and subject where there is one. */
  const running = new Map<string, { uuid: string; request: string; begun: Promise<void> }>();

  const trim = () => {
    for (const [most, ofSubjects] of [
      [KEPT, false],
      [KEPT_SUBJECTS, true],
    ] as const) {
      const own = [...kept].filter(([, { subject }]) => (subject !== null) === ofSubjects);
      const ended = own.filter(([, { operation }]) => operation.finished_at !== null);
      for (const [uuid] of ended.slice(0, Math.max(0, own.length - most))) kept.delete(uuid);
    }
  };

  const create = (kind: string): Operation => ({
    uuid: world.uuid(),
    kind,
    status: "IN-PROGRESS",
    started_at: world.now().toISOString(),
    finished_at: null,
    children: [],
  });

  const unsaved = (operation: Operation) => (error: unknown) =>
    world.log("error", "an operation could not be stored", { operation: operation.uuid, error: String(error) });

  /** Whole documents: one for each child of a large fleet would be the square of the fleet in writes. */
  async function saveProgress(operation: Operation) {
    if (world.monotonic() - lastSave < SAVE_MS) return;
    lastSave = world.monotonic();
    await save(operation);
  }

  async function finish(key: string, operation: Operation, asked?: Asked) {
    operation.finished_at = world.now().toISOString();
    running.delete(key);
    trim();
    // From here on it is only looked at: of thousands of children those stay that are shown.
    Object.assign(operation, shown(operation));
    await save(operation, asked).catch((error) => {
      unsaved(operation)(error);
      saveAgain(operation, { asked, left: SAVE_TRIES });
    });
  }

  /** Whoever asks another process would see it under way for ever. */
  function saveAgain(operation: Operation, { asked, left }: { asked: Asked | undefined; left: number }) {
    if (left === 0) return;
    world.timer(SAVE_MS, () => {
      save(operation, asked).catch(() => saveAgain(operation, { asked, left: left - 1 })); // told of once
    });
  }

  async function runChild(operation: Operation, child: OperationChild, work: ChildWork) {
    try {
      Object.assign(child, await work.run());
    } catch (error) {
      // Reported, not swallowed: the operation is where its reader looks.
      Object.assign(child, { status: "FAILED", error: reasonOf(error) });
    }
    // What is not stored now is with the next, and at the end.
    await saveProgress(operation).catch(unsaved(operation));
  }

  async function run(operation: Operation, children: () => Promise<ChildWork[]>, scope: string) {
    try {
      await save(operation, { scope, keys: [] });
      const works = await children();
      if (operation.children.length === 0) operation.children = works.map(underWay);
      await save(operation, { scope, keys: works.map(({ key = "" }) => key) });
      await Promise.all(
        works.map((work, index) => {
          const child = operation.children[index];
          return child?.status === "IN-PROGRESS" ? runChild(operation, child, work) : undefined;
        }),
      );
      operation.status = outcome(operation.children);
    } catch (error) {
      world.log("error", "an operation could not be carried through", {
        operation: operation.uuid,
        error: String(error),
      });
      fail(operation, error);
    }
    await finish(`${operation.kind} ${scope}`, operation, { scope, keys: [] });
  }

  /** Carries a reporting work through. Rejects with what refused it before it was under way. */
  async function carry(
    key: string,
    operation: Operation,
    { work, begun }: { work: (reporting: Reporting) => Promise<OperationStatus>; begun: () => void },
  ) {
    let underWay = false;
    let saving = Promise.resolve();
    const report = (children: OperationChild[]) => {
      operation.children = structuredClone(children);
      // In their order, so that an older state never overwrites a newer one.
      const store = underWay ? saveProgress : save;
      saving = saving.then(() => store(operation)).catch(unsaved(operation));
      underWay = true;
      begun();
    };
    try {
      operation.status = await work({ operation: operation.uuid, report });
    } catch (error) {
      if (!underWay && error instanceof SinewError) {
        running.delete(key);
        kept.delete(operation.uuid);
        throw error;
      }
      fail(operation, error);
    }
    await saving;
    await finish(key, operation);
  }

  function launch(operation: Operation, children: () => Promise<ChildWork[]>, scope: string) {
    running.set(`${operation.kind} ${scope}`, { uuid: operation.uuid, request: "", begun: Promise.resolve() });
    const done = run(operation, children, scope);
    kept.set(operation.uuid, { operation, done, subject: null });
  }

  const get = (uuid: string) => {
    const found = kept.get(uuid);
    return found ? shown(found.operation) : null;
  };

  return {
    start(kind, children, scope = "") {
      const joined = running.get(`${kind} ${scope}`);
      const current = joined === undefined ? null : get(joined.uuid);
      if (current) return current;
      const operation = create(kind);
      launch(operation, children, scope);
      return shown(operation);
    },
    resume: (operation, children, scope = "") => launch(operation, children, scope),
    async begin({ kind, subject, request }, work) {
      const key = `${kind} ${subject}`;
      const joined = running.get(key);
      if (joined && joined.request !== request) {
        throw new SinewError("busy", `another ${kind} of ${subject} is under way: operation ${joined.uuid}`);
      }
      if (joined) {
        await joined.begun;
        const current = get(joined.uuid);
        if (current) return current;
      }
      const operation = create(kind);
      const started = Promise.withResolvers<void>();
      const done = Promise.resolve().then(() => carry(key, operation, { work, begun: started.resolve }));
      const begun = Promise.race([started.promise, done]);
      running.set(key, { uuid: operation.uuid, request, begun });
      // Whoever waits for the end hears of a refusal from `begun`.
      kept.set(operation.uuid, { operation, done: done.catch(() => {}), subject });
      await begun;
      return shown(operation);
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
      return shown(entry.operation);
    },
    async idle() {
      await Promise.all([...kept.values()].map(({ done }) => done));
    },
  };
}
