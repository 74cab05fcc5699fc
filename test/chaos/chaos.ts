// `bun run chaos`: a fleet of real processes that is done harm to. Ends with the line `N passed, N failed`.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasPostgres } from "../support/postgres.ts";
import { FAULTS } from "./faults.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import type { Check } from "./judge.ts";
import { watchMachine } from "./observer.ts";
import { type DatabaseName, type Options, parseOptions } from "./options.ts";
import { enter, isInside } from "./place.ts";
import { canSetClocks, makeDiary } from "./program.ts";
import { makeRounds } from "./round.ts";

const LAST_EVENTS = 40;
/** A round that would outlast the time is not begun. */
const ROUND_SECONDS = 10;
/** What the last round, and the quiet after it, may take beyond the time; then something hangs. */
const BEYOND_SECONDS = 180;

async function main(argv: string[]): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(argv, Math.floor(Math.random() * 2 ** 31));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    console.error(error.message);
    return 2;
  }
  const apart = isInside ? null : await enter([import.meta.path, ...argv]);
  if (apart !== null) return apart;

  const { seed } = options;
  console.log(`seed ${seed}, ${options.agents} agents, ${options.seconds} s for each database`);
  if (!isInside)
    console.log("no namespaces of our own (root has them): no disk is filled, and what is cut is held back");
  if (!canSetClocks) console.log("there is no libfaketime (Debian: faketime): no clock jumps");
  const home = mkdtempSync(join(tmpdir(), "sinew-chaos-"));
  // What anybody makes below this is gone with it.
  process.env.TMPDIR = home;
  // PostgreSQL runs as another user, in a directory of its own below it.
  chmodSync(home, 0o711);
  const count = { passed: 0, failed: 0 };
  let fleet: Fleet | null = null;
  const end = async (status: number, { keep = false } = {}) => {
    await fleet?.close();
    if (!keep) rmSync(home, { recursive: true, force: true });
    process.exit(status);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void end(130));

  for (const database of options.databases) {
    if (database === "postgres" && !hasPostgres) {
      console.log("postgres: no server for this platform, skipped");
      continue;
    }
    const folder = join(home, database);
    const diary = makeDiary(console.log);
    const fail = (checks: Check[]) => {
      for (const { name, violations } of checks.filter((check) => check.violations.length > 0))
        console.log(
          `FAILED  ${name}\n${violations
            .slice(0, 20)
            .map((text) => `  ${text.slice(0, 2_000)}`)
            .join("\n")}`,
        );
      console.log("what happened last:");
      for (const { at, text } of diary.events.slice(-LAST_EVENTS))
        console.log(`  ${(at / 1000).toFixed(3)} s  ${text}`);
      console.log(`the processes' logs: ${join(folder, "logs")}\nagain: ${again(options, database)}`);
    };
    const machine = watchMachine();
    let rounds: ReturnType<typeof makeRounds> | null = null;
    const began = performance.now();
    const hanging = setTimeout(
      () => {
        fail([{ name: "an end", violations: [`nothing for ${BEYOND_SECONDS} s longer than it was to take`] }]);
        console.log(`${count.passed} passed, ${count.failed + 1} failed`);
        void end(1, { keep: true });
      },
      (options.seconds + BEYOND_SECONDS) * 1_000,
    );
    try {
      fleet = await startFleet({
        home: folder,
        database,
        conductors: database === "postgres" ? 2 : 1,
        agents: options.agents,
        diary,
      });
      diary.note(`${database}: ${fleet.programs().length} processes are up`);
      rounds = makeRounds(fleet, machine, seed);
      for (let round = 0; ; round += 1) {
        const checks = round === 0 ? await rounds.settle() : await rounds.run(round, options.only);
        const bad = checks.filter(({ violations }) => violations.length > 0);
        count.passed += checks.length - bad.length;
        count.failed += bad.length;
        if (bad.length > 0) {
          fail(checks);
          break;
        }
        if (performance.now() - began > Math.max(1, options.seconds - ROUND_SECONDS) * 1_000) break;
      }
    } catch (error) {
      count.failed += 1;
      fail([
        {
          name: "the run itself",
          violations: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
        },
      ]);
    }
    clearTimeout(hanging);
    await rounds?.stop();
    await fleet?.close();
    fleet = null;
    machine.stop();
    console.log(`${database}: ${count.passed} passed, ${count.failed} failed so far`);
  }
  if (count.failed === 0) rmSync(home, { recursive: true, force: true });
  console.log(`${count.passed} passed, ${count.failed} failed`);
  return count.failed === 0 && count.passed > 0 ? 0 : 1;
}

function again({ seed, seconds, agents, only }: Options, database: DatabaseName): string {
  const some = only.length < Object.keys(FAULTS).length ? ` --only ${only.join(",")}` : "";
  return `bun run chaos --seed ${seed} --seconds ${seconds} --db ${database} --agents ${agents}${some}`;
}

process.exit(await main(process.argv.slice(2)));
