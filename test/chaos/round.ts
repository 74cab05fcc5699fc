import { type Random, randomOf } from "../fuzz/random.ts";
import { type Asked, ask, NoAnswer } from "./ask.ts";
import { FAULTS, type FaultName, type Planned, planRound } from "./faults.ts";
import { DECISION_MS, type Fleet, TTL_MS } from "./fleet.ts";
import { type Check, judgeAll, judgeAnytime, judgeNow } from "./judge.ts";
import { follow, type watchMachine } from "./observer.ts";

/** Long enough that whoever was away has dialled again, which is half a minute at most, and looked at its bus. */
const QUIET_MS = 60_000;
const LOOK_MS = 100;
/** From here on a node that nothing is done to is surely heard in time, once it was. */
const SETTLED_MS = 2 * TTL_MS + 3_000;

/** Who is disturbed by what is done, and since when nobody is. */
function makeCalm() {
  const active: string[] = [];
  const ended = new Map<string, number>();
  return {
    begin: (who: string) => void active.push(who),
    end(who: string) {
      active.splice(active.indexOf(who), 1);
      ended.set(who, performance.now());
    },
    isActive: (who: string) => active.includes(who),
    /** For how long nothing has been done that this node could feel. */
    since: (node: string) =>
      active.includes(node) || active.includes("all")
        ? Number.POSITIVE_INFINITY
        : Math.max(ended.get(node) ?? 0, ended.get("all") ?? 0),
  };
}

/** Runs rounds of faults on a fleet, and judges it after each. */
export function makeRounds(fleet: Fleet, machine: ReturnType<typeof watchMachine>, seed: number) {
  const { liveness, diary } = fleet;
  const asked = fleet.conductors.map((conductor) => conductor.asked);
  const following = [
    follow("the follower", asked, fleet, true),
    ...(asked.length > 1 ? asked.map((one) => follow(`the follower at ${one.name}`, [one], fleet, false)) : []),
  ];
  const calm = makeCalm();
  const operations: string[] = [];
  /** Nodes of which nothing can be heard, and since when. */
  const silent = new Map<string, number>();
  let still = 0;
  let stillAt = performance.now();

  /** What is known of everybody's silence, at each moment. */
  const looking = setInterval(() => {
    const now = performance.now();
    if (machine.still() > still) {
      still = machine.still();
      stillAt = now;
    }
    if (calm.isActive("all") || now - stillAt < 2 * TTL_MS) return liveness.conductor(now);
    if ((following[0]?.age() ?? 0) < 500) liveness.look(now);
    for (const { id } of fleet.agents) {
      const live = following[0]?.liveSince(id) ?? Number.POSITIVE_INFINITY;
      const well = now - Math.max(calm.since(id), stillAt, live) > SETTLED_MS;
      // It says hello three times in a lease.
      if (well) liveness.heard(id, { sent: now - TTL_MS, answered: now - TTL_MS, ttlMs: TTL_MS });
    }
  }, LOOK_MS);

  const everyone = () => [...fleet.agents, ...fleet.callers];

  async function harm({ fault, target, afterMs, forMs }: Planned, numbers: Random) {
    await Bun.sleep(afterMs);
    const { name, disturbs, silences } = target;
    diary.note(`${FAULTS[fault].what}: ${name}, for ${(forMs / 1000).toFixed(1)} s`);
    calm.begin(disturbs);
    if (disturbs === "all") for (const { id } of fleet.agents) forgive(id);
    else if (disturbs) forgive(disturbs);
    const judging = following[0];
    const began = performance.now();
    const known = judging !== undefined && judging.age() < DECISION_MS / 2;
    const live = known ? everyone().filter(({ id }) => judging.liveSince(id) < began) : [];
    const mend = await target.begin(numbers);
    const done = performance.now();
    if (silences) silence(disturbs, done);
    await Bun.sleep(forMs);
    if (silences) silence(disturbs, null);
    const mending = performance.now();
    await mend();
    liveness.conductor(disturbs === "all" ? performance.now() : 0);
    freshLease(fault, live, { from: began, to: mending });
    if (fault.startsWith("database")) for (const { id } of everyone()) forgive(id);
    calm.end(disturbs);
    diary.note(`over: ${FAULTS[fault].what}: ${name}`);
  }

  /** Of what comes now nothing is owed to it; that it is silent stays so. */
  function forgive(node: string) {
    if (fleet.callers.some((caller) => caller.id === node && caller.isSilent)) return;
    liveness.left(node);
    const since = silent.get(node);
    if (since !== undefined) liveness.silent(node, { since, ttlMs: TTL_MS });
  }

  function silence(node: string, since: number | null) {
    if (since === null) {
      silent.delete(node);
      liveness.sounds(node);
    } else {
      silent.set(node, since);
      liveness.silent(node, { since, ttlMs: TTL_MS });
    }
  }

  /** After its only conductor was away nobody who was LIVE is LOST before a whole lease, and another one, has passed. */
  function freshLease(fault: FaultName, live: { id: string }[], { from, to }: { from: number; to: number }) {
    const away = ["conductor-kill", "conductor-restart"].includes(fault);
    if (fleet.conductors.length > 1 || !(away || (fault === "conductor-pause" && to - from > TTL_MS))) return;
    // It had decided on nobody of them when it went away, and could not while it was.
    for (const { id } of live) liveness.heard(id, { sent: to, answered: from - 2 * DECISION_MS, ttlMs: TTL_MS });
  }

  /** Hardware comes and goes, somebody asks for a look, another agent registers: whatever else happens. */
  async function live(numbers: Random, until: () => boolean) {
    while (!until()) {
      await Bun.sleep(200 + numbers.int(600));
      const place = numbers.int(fleet.agents.length + fleet.callers.length);
      const agent = fleet.agents[place];
      const caller = fleet.callers[place - fleet.agents.length];
      const what = agent?.host.change(numbers) ?? caller?.change(numbers);
      diary.note(`${what}: ${agent?.asked.name ?? caller?.name}`, { quietly: true });
      if (!numbers.chance(20)) continue;
      const at = numbers.pick(asked);
      await discover(at).catch((error) => {
        if (!(error instanceof NoAnswer)) throw error;
      });
    }
  }

  async function discover(at: Asked) {
    const { operation } = await ask<{ operation: string }>(at, "/discovery", { body: {} });
    diary.note(`${at.name} looks again, operation ${operation}`, { quietly: true });
    if (!operations.includes(operation)) operations.push(operation);
  }

  async function settle(): Promise<Check[]> {
    for (const { host } of fleet.agents) host.mend();
    const began = performance.now();
    const stillBefore = machine.still();
    for (;;) {
      const { wrong, listed } = await judgeNow(fleet, following, operations);
      const waited = performance.now() - began;
      if (wrong.length === 0 && listed) {
        diary.note(`quiet after ${(waited / 1000).toFixed(1)} s, at revision ${listed.lists.revision}`);
        const all = await judgeAll(fleet, following, listed);
        // They are kept for a while only, and have ended.
        operations.length = 0;
        return [{ name: "after quiet the conductor is right", violations: [] }, ...all];
      }
      if (waited > QUIET_MS + 2 * (machine.still() - stillBefore))
        return [{ name: "after quiet the conductor is right", violations: wrong }, ...judgeAnytime(fleet)];
      await Bun.sleep(200);
    }
  }

  return {
    /** Before any harm: the fleet comes up, and is right. */
    settle,
    async run(round: number, only: readonly FaultName[]): Promise<Check[]> {
      const numbers = randomOf(seed, fleet.database, round);
      const planned = planRound(fleet, only, numbers);
      if (round % 2 === 1) fleet.addCaller();
      let over = false;
      const living = live(randomOf(seed, fleet.database, round, "life"), () => over);
      await Promise.all(planned.map((one) => harm(one, numbers))).finally(() => {
        over = true;
      });
      await living;
      return settle();
    },
    async stop() {
      clearInterval(looking);
      await Promise.all(following.map((one) => one.stop()));
    },
  };
}
