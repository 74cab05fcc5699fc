import { FAULTS, type FaultName } from "./faults.ts";

export const DATABASES = ["sqlite", "postgres"] as const;
export type DatabaseName = (typeof DATABASES)[number];

export interface Options {
  seed: number;
  /** For each database. */
  seconds: number;
  databases: readonly DatabaseName[];
  agents: number;
  only: readonly FaultName[];
}

const HELP = `bun run chaos [--seed N] [--seconds 60] [--db sqlite|postgres|both] [--agents 6] [--only FAULT,...]

Runs a fleet of real processes, does them harm in an order that follows from the seed, and checks after each round that what
the conductor says is true. Ends with "N passed, N failed", of checks.

faults: ${Object.keys(FAULTS).join(", ")}`;

/** Throws RangeError with what to write instead. */
export function parseOptions(argv: readonly string[], seed: number): Options {
  const options: Options = { seed, seconds: 60, databases: DATABASES, agents: 6, only: faultNames() };
  for (let at = 0; at < argv.length; at += 2) {
    const [flag = "", value = ""] = argv.slice(at, at + 2);
    const whole = (least: number, most: number) => {
      const number = Number(value);
      if (!/^\d+$/.test(value) || number < least || number > most)
        throw new RangeError(`${flag}: expected a number from ${least} to ${most}, got ${JSON.stringify(value)}`);
      return number;
    };
    if (flag === "--seed") options.seed = whole(0, 2 ** 31 - 1);
    else if (flag === "--seconds") options.seconds = whole(1, 1_000_000);
    else if (flag === "--agents") options.agents = whole(2, 100);
    else if (flag === "--db") options.databases = databasesOf(value);
    else if (flag === "--only") options.only = value.split(",").map(faultOf);
    else throw new RangeError(HELP);
  }
  return options;
}

function databasesOf(value: string): readonly DatabaseName[] {
  const found = DATABASES.filter((name) => value === name || value === "both");
  if (found.length === 0) throw new RangeError(`--db: expected sqlite, postgres or both, got ${JSON.stringify(value)}`);
  return found;
}

const faultNames = () => Object.keys(FAULTS) as FaultName[]; // its keys, and nothing else is in it

function faultOf(name: string): FaultName {
  const found = faultNames().find((one) => one === name);
  if (!found) throw new RangeError(`--only: expected some of ${faultNames().join(", ")}, got ${JSON.stringify(name)}`);
  return found;
}
