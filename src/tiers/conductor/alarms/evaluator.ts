import type { Window } from "../../../contract/fleet/window.ts";
import { changedNodes, factsOf, oldestChange, openAlarms, troubledNodes } from "../../../db/queries/fleet/alarms.ts";
import { countPresent } from "../../../db/queries/fleet/outage.ts";
import { listWindows } from "../../../db/queries/fleet/windows.ts";
import type { World } from "../../../world.ts";
import { createWait } from "../wait.ts";
import { apply, type Context, type Intent } from "./apply.ts";
import { decide } from "./decide.ts";
import { createHolds } from "./holds.ts";
import { judgeOutage, outageSize, TOGETHER_MS } from "./outage/judge.ts";
import { createLostNodes, type Lost } from "./outage/lost.ts";
import { applyOutage, type Outage, openOutage } from "./outage/together.ts";
import { overOf } from "./over.ts";
import { problemsOf } from "./problems.ts";
import { activeWindows, silencedBy } from "./windows/match.ts";
import { applyWindows } from "./windows/silence.ts";

/** Looks are at least so far apart, up to twice that after one that took long, and at most a second. */
const BETWEEN_MS = 250;
const LOOK_MS = 1_000;
/** Nodes read, alarms written and revisions passed in one go: a few milliseconds each, as others wait meanwhile. */
const NODES = 100;
const ALARMS = 100;
const REVISIONS = 2_000;
/** After each of these others run for so many times as long as it took, and for no longer than that. */
const REST = 4;
const LONGEST_REST_MS = 100;
/** Nodes between two looks at what else has changed: who is lost while thousands are back does not wait for all of them. */
const AT_ONCE = 2_000;

/** Keeps the alarms what the database says they are. Any number of them may run on one database. */
export interface Evaluator {
  start(): void;
  stop(): Promise<void>;
}

export function createEvaluator(options: Omit<Context, "windows" | "world"> & { world: World }): Evaluator {
  const { db, world, kinds } = options;
  const holds = createHolds(world.monotonic);
  /** Nodes to look at, in this order. */
  let dirty = new Set<string>();
  const lost = createLostNodes(world);
  /** What of the look under way was rest. */
  let rested = 0;
  let windows: Window[] = [];
  let active: Window[] = [];
  let cursor: number | null = null;
  /** The revision of the first look. */
  let began = 0;
  /** When an outage was notified last. */
  let newsAt = Number.NEGATIVE_INFINITY;
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

  const waits = createWait(world);
  // Nobody waits for one that stops.
  const wait = async (ms: number) => {
    if (!stopped) await waits.for(ms);
  };
  /** Between the parts of much: lets others run in proportion to what the last part took. */
  function paced(): () => Promise<void> {
    let since = world.monotonic();
    return async () => {
      const begun = world.monotonic();
      await wait(Math.min(LONGEST_REST_MS, REST * (begun - since)));
      since = world.monotonic();
      rested += since - begun;
    };
  }

  /** Which nodes something was said of since the last look; at first, and where the feed is cut off, all with any trouble. */
  async function notice(revision: number): Promise<void> {
    const oldest = cursor === null ? null : await oldestChange(db.read);
    if (cursor === null || cursor > revision || (oldest !== null && oldest > cursor + 1)) {
      for (const node of await troubledNodes(db.read)) dirty.add(node);
      for (const node of lost.nodes()) dirty.add(node);
      if (cursor === null) began = revision;
      cursor = revision;
      return;
    }
    const rest = paced();
    while (cursor < revision && !stopped) {
      const upTo: number = Math.min(revision, cursor + REVISIONS);
      const changed = await changedNodes(db.read, cursor, upTo);
      const lost = changed.filter(({ lost }) => lost);
      dirty = new Set([...lost.map(({ id }) => id), ...dirty, ...changed.map(({ id }) => id)]);
      cursor = upTo;
      if (cursor < revision) await rest();
    }
  }

  /** What is to become of the alarms of these nodes. */
  async function look(nodes: string[], open: Outage | null): Promise<Intent[]> {
    const facts = await factsOf(db.read, nodes);
    const problems = problemsOf(facts);
    const known = new Map(facts.nodes.map((node) => [node.id, node]));
    const rows = await openAlarms(db.read, nodes);
    const over = await overOf(db.read, rows, facts.nodes);
    const problemsBy = Map.groupBy(problems.values(), ({ node }) => node.id);
    const rowsBy = Map.groupBy(rows, ({ node_id }) => node_id ?? "");
    return nodes.flatMap((node) => {
      const own = new Map((problemsBy.get(node) ?? []).map((problem) => [problem.fingerprint, problem]));
      const stored = new Map((rowsBy.get(node) ?? []).map((row) => [row.fingerprint, row]));
      const problem = [...own.values()].find(({ kind }) => kind === "agent.lost");
      const row = problem && stored.get(problem.fingerprint);
      const silenced = problem !== undefined && silencedBy(active, problem) !== null;
      const { revision = 0, state = "LEFT", cordoned = false } = known.get(node) ?? {};
      const idle = cordoned && state === "LOST";
      lost.note({ id: node, revision }, { problem, row, silenced, idle }, { began, outage: open });
      return decide({ node, here: state !== "LEFT", over, problems: own, rows: stored, holds, kinds });
    });
  }

  function lookAgain(nodes: Iterable<string>) {
    for (const node of nodes) dirty.add(node);
    woken = true;
  }

  /** Whether lost nodes are one alarm; what is to become of those that have one of their own. */
  async function outage(intents: Intent[], open: Outage | null): Promise<{ intents: Intent[]; open: boolean }> {
    const recent = lost.recent();
    if (!open && recent.length <= 5) return { intents, open: false };
    const present = await countPresent(db.read);
    const verdict = judgeOutage({ recent: recent.length, members: open?.members ?? null, present });
    if (verdict === "end") {
      await applyOutage(context, { trigger: lastOf(recent), folding: [], end: true, news: null });
      // Who is lost still is so alone from now on.
      lost.part();
      lookAgain(lost.nodes());
      return { intents, open: false };
    }
    if (verdict === null && !open) return { intents, open: false };
    // One that fired alone just before the others were lost is a member, too.
    const fired = verdict === null ? [] : recent.filter(({ fired }) => fired);
    const folded = fired.map(({ fingerprint, id }): Intent => ({ fingerprint, node: id, to: "folded" }));
    if (verdict === "begin") await count(fired.map(({ id }) => id));
    if (verdict !== null) for (const one of recent) one.member = true;
    const single = intents.flatMap((intent) => {
      const known = lost.get(intent.node);
      if (intent.to !== "firing" || known?.fingerprint !== intent.fingerprint || known.silenced) return intent;
      return known.member ? [] : { ...intent, alone: true };
    });
    return { intents: [...single, ...folded], open: true };
  }

  /** Brings the outage's alarm up to who is a member: notified at once when it begins, and at most once a minute from then on. */
  async function count(folding: string[] = []): Promise<void> {
    const now = world.monotonic();
    const news = now - newsAt < TOGETHER_MS ? null : outageSize(await countPresent(db.read));
    if (await applyOutage(context, { trigger: lastOf(lost.recent()), folding, end: false, news })) newsAt = now;
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
      for (const node of lost.nodes()) dirty.add(node);
    }
    if (revision !== cursor) {
      await notice(revision);
      // Another evaluator may have found that they are members of an outage.
      for (const { id, fired } of lost.recent()) if (fired) dirty.add(id);
    }
    for (const node of holds.due()) dirty.add(node);
    if (dirty.size > 0) await settle();
    if (stale) {
      await applyWindows(context, paced());
      stale = false;
    }
  }

  async function settle(): Promise<void> {
    const nodes = [...dirty].slice(0, AT_ONCE);
    const intents: Intent[] = [];
    const before = await openOutage(context);
    const rest = paced();
    for (let start = 0; start < nodes.length && !stopped; start += NODES) {
      if (start > 0) await rest();
      intents.push(...(await look(nodes.slice(start, start + NODES), before)));
    }
    for (const node of nodes) dirty.delete(node);
    if (dirty.size > 0) woken = true;
    try {
      const { intents: all, open } = await outage(intents, before);
      // What one node's alarms become stays together: an alarm is read by its node.
      for (let start = 0; start < all.length && !stopped; start += ALARMS) {
        if (start > 0) await rest();
        const some = all.slice(start, start + ALARMS);
        await apply(context, some);
        for (const { node, fingerprint, to } of some) {
          const known = lost.get(node);
          if (to === "firing" && known?.fingerprint === fingerprint) known.fired = true;
        }
      }
      // Now that who fires alone does, and who was folded in does no more.
      const after = open ? await openOutage(context) : null;
      if (after && after.members !== after.stored) await count();
    } catch (error) {
      // Seen, and not written: seen again.
      for (const node of nodes) dirty.add(node);
      throw error;
    }
  }

  async function run(): Promise<void> {
    while (woken && !stopped) {
      woken = false;
      const begun = world.monotonic();
      rested = 0;
      try {
        await evaluate();
        if (complained) world.log("info", "alarms are evaluated again");
        complained = "";
      } catch (error) {
        // Said once per cause, not once per look.
        if (String(error) !== complained) world.log("error", "alarms could not be evaluated", { error: String(error) });
        complained = String(error);
      }
      const took = world.monotonic() - begun - rested;
      await wait(Math.min(2 * BETWEEN_MS, Math.max(BETWEEN_MS, REST * took)));
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
      waits.end();
      await running;
    },
  };
}

function lastOf(lost: Lost[]): { id: string; name: string } | null {
  const last = lost.at(-1);
  return last ? { id: last.id, name: last.name } : null;
}
