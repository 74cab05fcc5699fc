import { createScanner } from "../src/pci/scanner/scanner.ts";
import { syntheticHost } from "../test/support/tree.ts";
import { alternate, compared, type Row, row, spread, type Target } from "./measure.ts";
import { cpuMsOfAll, ready, startRole, syntheticSysfs } from "./processes.ts";

const FUNCTIONS = 1_000;
const ROUNDS = 30;
/** Long enough to hold two looks at everything. */
const IDLE_SECONDS = 60;

/** What it costs to be true at every moment. */
export async function live(): Promise<Row[]> {
  return [
    await oneChange(),
    await idle("an idle agent on this machine's bus", [], { of: "ours", limit: "at most", value: 0.5 }),
    await idle(`an idle agent that compares a bus of ${FUNCTIONS} functions`, ["--sysfs", syntheticSysfs(FUNCTIONS)]),
  ];
}

/** A rescan after one function of many was bound anew, against a scan of all. */
async function oneChange(): Promise<Row> {
  const tree = syntheticHost(FUNCTIONS);
  const scanner = createScanner({ sysfs: tree.sysfs, idleMs: null });
  const address = "0000:08:04.0";
  let bound = 0;
  const timed = async (work: () => Promise<unknown>) => {
    tree.bind(address, `driver${bound++ % 2}`);
    const began = performance.now();
    await work();
    return performance.now() - began;
  };
  try {
    const ours = () => timed(() => scanner.rescan(new Set([address])));
    const theirs = () => timed(() => scanner.rescan("all"));
    return compared(
      { what: `rescan of ${FUNCTIONS} functions after one changed`, unit: "ms", against: "a full scan" },
      await alternate(ROUNDS, ours, theirs),
    );
  } finally {
    scanner.close();
    tree.close();
  }
}

/** CPU of all threads of an agent that nobody calls and where nothing happens. */
async function idle(what: string, args: string[], target: Target | null = null): Promise<Row> {
  const agent = startRole("agent", ...args);
  await ready(agent.url);
  await Bun.sleep(5_000); // what the start has left to compile
  const before = cpuMsOfAll(agent.pid);
  await Bun.sleep(IDLE_SECONDS * 1000);
  const used = cpuMsOfAll(agent.pid) - before;
  const [, how = "not watched"] = /the bus is watched (by \w+)/.exec(agent.output()) ?? [];
  await agent.stop();
  return row({
    what: `CPU of ${what}`,
    unit: "% of a core",
    ours: spread([used / (IDLE_SECONDS * 10)]),
    target,
    note: `watched ${how}, for ${IDLE_SECONDS} s`,
  });
}
