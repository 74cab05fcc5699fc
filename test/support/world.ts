import type { World } from "../../src/world.ts";

/** A world whose time passes only when told to: timers fire in order, and what they begin is let finish. */
export function virtualWorld(
  fetch: World["fetch"] = () => Promise.reject(new Error("nothing answers here")),
  /** What names resolve to. */
  hosts: Record<string, string[]> = {},
) {
  let time = 0;
  let due: { at: number; work: () => void }[] = [];
  const world: World = {
    now: () => new Date(Date.UTC(2026, 0, 1) + time),
    monotonic: () => time,
    timer(ms, work) {
      const entry = { at: time + ms, work };
      due.push(entry);
      return () => {
        due = due.filter((one) => one !== entry);
      };
    },
    random: () => 1 - Number.EPSILON,
    uuid: () => crypto.randomUUID(),
    fetch,
    resolve: async (host) => hosts[host] ?? Promise.reject(new Error(`no address is known for ${host}`)),
    host: async () => ({ name: "virtual", addresses: ["127.0.0.1"] }),
    log: () => {},
  };
  /** Lets everything run that does not wait for the clock. */
  const settle = async () => {
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  };
  return {
    world,
    settle,
    async advance(ms: number) {
      const end = time + ms;
      for (;;) {
        await settle();
        const [next] = due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (!next) break;
        due = due.filter((one) => one !== next);
        time = Math.max(time, next.at);
        next.work();
      }
      time = end;
      await settle();
    },
    /** Time passes and nothing runs, as in a suspended machine; what was due fires at the next `advance`. */
    suspend(ms: number) {
      time += ms;
    },
  };
}
