import type { Window } from "../../../contract/fleet/window.ts";
import {
  changedNodes,
  countPresent,
  factsOf,
  oldestChange,
  openAlarms,
  troubledNodes,
} from "../../../db/queries/fleet/alarms.ts";
import { listWindows } from "../../../db/queries/fleet/windows.ts";
import type { World } from "../../../world.ts";
import { apply, type Context, type Intent } from "./apply.ts";
import { decide } from "./decide.ts";
import { createHolds } from "./holds.ts";
import { judgeOutage, TOGETHER_MS } from "./outage/judge.ts";
import { applyOutage, membersOfOutage } from "./outage/together.ts";
import { type Problem, problemsOf } from "./problems.ts";
import type { StoredAlarm } from "./rows.ts";
import { activeWindows, silencedBy } from "./windows/match.ts";
import { applyWindows } from "./windows/silence.ts";

/** Looks are at least so far apart, and at most a second. */
const BETWEEN_MS = 250;
const LOOK_MS = 1_000;
/** Nodes read, alarms written and revisions passed in one go: a few milliseconds each, as others wait meanwhile. */
const NODES = 100;
const ALARMS = 100;
const REVISIONS = 2_000;

/** Keeps the alarms what the database says they are. Any number of them may run on one database. */
export interface Evaluator {
  start(): void;
  stop(): Promise<void>;
}

interface Lost {
  name: string;
  at: number;
  /** Of its alarm, and whether it has one of its own. */
  fingerprint: string;
  fired: boolean;
  /** By a window: nobody waits for it. */
  silenced: boolean;
}

export function createEvaluator(options: Omit<Context, "windows" | "world"> & { world: World }): Evaluator {
  const { db, world, kinds } = options;
  const holds = createHolds(world.monotonic);
  /** Nodes to look at. */
  const dirty = new Set<string>();
  /** Nodes that are LOST, and since when as far as this evaluator knows. */
  const lost = new Map<string, Lost>();
  let windows: Window[] = [];
  let active: Window[] = [];
  let cursor: number | null = null;
  let first = true;
  let windowsAt = -1;
  /** Windows that are now differ from those that firing alarms were last compared with. */
  let stale = true;
  let stopped = true;
  let running: Promise<void> | null = null;
  let woken = false;
  let cancelLook = () => {};
  let unwatch = () => {};
  let complained = "";
  const context: Context = { ...options, windows: () => active };

  /** Ends a wait: nobody waits for one that stops. */
  let hurry = () => {};
  const wait = (ms: number) =>
    stopped
      ? Promise.resolve()
      : new Promise<void>((resume) => {
          const cancel = world.timer(ms, resume);
          hurry = () => {
            cancel();
            resume();
          };
        });
  const pause = () => wait(0);

  /** Which nodes something was said of since the last look; at first, and where the feed is cut off, all with any trouble. */
  async function notice(revision: number): Promise<void> {
    const oldest = cursor === null ? null : await oldestChange(db.read);
    if (cursor === null || cursor > revision || (oldest !== null && oldest > cursor + 1)) {
      for (const node of await troubledNodes(db.read)) dirty.add(node);
      for (const node of lost.keys()) dirty.add(node);
      cursor = revision;
      return;
    }
    while (cursor < revision && !stopped) {
      const upTo: number = Math.min(revision, cursor + REVISIONS);
      for (const node of await changedNodes(db.read, cursor, upTo)) dirty.add(node);
      cursor = upTo;
      if (cursor < revision) await pause();
    }
  }

  /** What is to become of the alarms of these nodes. */
  async function look(nodes: string[]): Promise<Intent[]> {
    const facts = await factsOf(db.read, nodes);
    const problems = problemsOf(facts);
    const here = new Set(facts.nodes.flatMap(({ id, state }) => (state === "LEFT" ? [] : id)));
    const rows = await openAlarms(db.read, nodes);
    const problemsBy = Map.groupBy(problems.values(), ({ node }) => node.id);
    const rowsBy = Map.groupBy(rows, ({ node_id }) => node_id ?? "");
    return nodes.flatMap((node) => {
      const own = new Map((problemsBy.get(node) ?? []).map((problem) => [problem.fingerprint, problem]));
      const stored = new Map((rowsBy.get(node) ?? []).map((row) => [row.fingerprint, row]));
      note(node, own, stored);
      return decide({ node, here: here.has(node), problems: own, rows: stored, holds, kinds });
    });
  }

  /** Keeps count of who is lost, and since when. */
  function note(node: string, problems: Map<string, Problem>, rows: Map<string, StoredAlarm>) {
    const problem = [...problems.values()].find(({ kind }) => kind === "agent.lost");
    if (!problem) {
      lost.delete(node);
      return;
    }
    const { fingerprint } = problem;
    const fired = rows.has(fingerprint);
    const silenced = silencedBy(active, problem) !== null;
    // One with an alarm of its own from before this evaluator began was not lost just now.
    const at = lost.get(node)?.at ?? (fired && first ? Number.NEGATIVE_INFINITY : world.monotonic());
    lost.set(node, { name: problem.node.name, at, fingerprint, fired, silenced });
  }

  function lookAgain(nodes: Iterable<string>) {
    for (const node of nodes) dirty.add(node);
    woken = true;
  }

  /** Whether lost nodes are one alarm; what is to become of those that have one of their own. */
  async function outage(intents: Intent[]): Promise<Intent[]> {
    const now = world.monotonic();
    const recent = [...lost].filter(([, { at, silenced }]) => !silenced && now - at <= TOGETHER_MS);
    const open = await membersOfOutage(context);
    if (!open && recent.length <= 5) return intents;
    const present = await countPresent(db.read);
    const verdict = judgeOutage({ recent: recent.length, members: open?.members ?? null, present });
    const last = recent.at(-1);
    const trigger = last ? { id: last[0], name: last[1].name } : null;
    if (verdict === "end") {
      await applyOutage(context, { trigger, end: true });
      // Who is lost still is so alone from now on.
      lookAgain(lost.keys());
      return intents;
    }
    if (verdict === null && !open) return intents;
    const begins = open === null;
    if (begins || open.members !== open.stored) await applyOutage(context, { trigger, end: false });
    // A member has no alarm of its own, and one that fired alone just before it became one is folded in.
    const single = intents.filter(({ to, fingerprint, node }) => {
      const known = lost.get(node);
      return to !== "firing" || known?.fingerprint !== fingerprint || known.silenced;
    });
    const fired = recent.filter(([, { fired }]) => fired);
    // Then it has more members.
    lookAgain(fired.map(([node]) => node));
    return [...single, ...fired.map(([node, { fingerprint }]): Intent => ({ fingerprint, node, to: "folded" }))];
  }

  async function evaluate(): Promise<void> {
    const revision = await db.revision();
    if (revision !== windowsAt) {
      windows = await listWindows(db.read);
      windowsAt = revision;
    }
    const now = activeWindows(windows, world.now());
    if (JSON.stringify(now) !== JSON.stringify(active)) {
      active = now;
      stale = true;
      for (const node of lost.keys()) dirty.add(node);
    }
    if (revision !== cursor) {
      await notice(revision);
      // Another evaluator may have found that they are members of an outage.
      for (const [node, { fired, at }] of lost) if (fired && world.monotonic() - at <= TOGETHER_MS) dirty.add(node);
    }
    for (const node of holds.due()) dirty.add(node);
    if (dirty.size > 0) await settle();
    first = false;
    if (stale) {
      await applyWindows(context, pause);
      stale = false;
    }
  }

  async function settle(): Promise<void> {
    const nodes = [...dirty];
    const intents: Intent[] = [];
    for (let start = 0; start < nodes.length && !stopped; start += NODES) {
      if (start > 0) await pause();
      intents.push(...(await look(nodes.slice(start, start + NODES))));
    }
    for (const node of nodes) dirty.delete(node);
    try {
      const all = await outage(intents);
      // What one node's alarms become stays together: an alarm is read by its node.
      for (let start = 0; start < all.length && !stopped; start += ALARMS) {
        if (start > 0) await pause();
        const some = all.slice(start, start + ALARMS);
        await apply(context, some);
        for (const { node, fingerprint, to } of some) {
          const known = lost.get(node);
          if (to === "firing" && known?.fingerprint === fingerprint) known.fired = true;
        }
      }
    } catch (error) {
      // Seen, and not written: seen again.
      for (const node of nodes) dirty.add(node);
      throw error;
    }
  }

  async function run(): Promise<void> {
    while (woken && !stopped) {
      woken = false;
      try {
        await evaluate();
        if (complained) world.log("info", "alarms are evaluated again");
        complained = "";
      } catch (error) {
        // Said once per cause, not once per look.
        if (String(error) !== complained) world.log("error", "alarms could not be evaluated", { error: String(error) });
        complained = String(error);
      }
      await wait(BETWEEN_MS);
    }
  }

  function wake() {
    woken = true;
    if (stopped || running) return;
    running = run().finally(() => {
      running = null;
      if (woken && !stopped) wake();
    });
  }

  function tick() {
    wake();
    cancelLook = world.timer(LOOK_MS, tick);
  }

  return {
    start() {
      stopped = false;
      unwatch = db.watch(wake);
      tick();
    },
    async stop() {
      stopped = true;
      cancelLook();
      unwatch();
      hurry();
      await running;
    },
  };
}
