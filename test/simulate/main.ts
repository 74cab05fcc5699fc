import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { faultNames } from "./faults.ts";
import { type Settings, Simulation } from "./simulation.ts";

const HELP = `bun run simulate [--seed N] [--seeds N] [--nodes 20] [--hours 5] [--faults NAME,...] [--jobs N] [--log]

  --seed N     the first seed, default 1; without --seeds it is the only one
  --seeds N    so many seeds, default 20: with 20 nodes and 5 hours each these are 100 fleet-hours
  --nodes N    nodes of a fleet
  --conductors N  conductors on one database, by the seed by default
  --lease N    seconds of the lease that agents are given, by the seed by default
  --links PART of the nodes that join with a key and hold a link, 0 to 1, by the seed by default
  --hours N    hours of its own time that each fleet is watched for
  --faults     what may go wrong, all by default: ${faultNames.join(", ")}
  --jobs N     processes at once, default one for each core
  --until-failed  end with the first seed that fails
  --log        print all that happens

The last line is "N passed, N failed", of seeds. Status 1: one failed, 2: bad usage.`;

class Usage extends Error {}

function options() {
  const { values } = parseArgs({
    options: {
      ...{ seed: { type: "string" }, seeds: { type: "string" }, nodes: { type: "string" }, hours: { type: "string" } },
      ...{
        conductors: { type: "string" },
        lease: { type: "string" },
        links: { type: "string" },
        faults: { type: "string" },
        jobs: { type: "string" },
        step: { type: "string" },
      },
      ...{ log: { type: "boolean" }, "until-failed": { type: "boolean" }, help: { type: "boolean" } },
    },
  });
  const number = (
    name: "seed" | "seeds" | "conductors" | "lease" | "nodes" | "hours" | "jobs" | "step",
    without: number,
    least = 1,
  ) => {
    const value = values[name] === undefined ? without : Number(values[name]);
    const whole = name === "hours" || Number.isInteger(value);
    if (whole && value >= least) return value;
    throw new Usage(`--${name}: expected a number of at least ${least}, got ${values[name]}`);
  };
  const links = values.links === undefined ? null : Number(values.links);
  if (links !== null && !(links >= 0 && links <= 1))
    throw new Usage(`--links: expected a part from 0 to 1, got ${values.links}`);
  const all = faultNames.filter((name) => name !== "links" || links !== 0);
  const faults = values.faults === undefined ? all : values.faults.split(",").filter((name) => name !== "");
  for (const name of faults) if (!faultNames.includes(name)) throw new Usage(`--faults: there is no ${name}`);
  return {
    ...{
      help: values.help ?? false,
      log: values.log ?? false,
      once: values["until-failed"] ?? false,
      faults,
      links,
      named: values.faults !== undefined,
    },
    ...{ seed: number("seed", 1, 0), seeds: number("seeds", values.seed === undefined ? 20 : 1) },
    ...{ nodes: number("nodes", 20), hours: number("hours", 5, 0.01), step: number("step", 1) },
    conductors: values.conductors === undefined ? null : number("conductors", 1),
    leaseSeconds: values.lease === undefined ? null : number("lease", 10),
    jobs: number("jobs", availableParallelism()),
  };
}
type Options = ReturnType<typeof options>;

/** What of the options decides how a seed goes. */
const course = ({ nodes, hours, faults, named, conductors, leaseSeconds, links }: Options): string[] => [
  ...["--nodes", String(nodes), "--hours", String(hours)],
  ...(conductors === null ? [] : ["--conductors", String(conductors)]),
  ...(leaseSeconds === null ? [] : ["--lease", String(leaseSeconds)]),
  ...(links === null ? [] : ["--links", String(links)]),
  ...(named ? ["--faults", faults.join(",")] : []),
];

const replay = (options: Options, seed: number) =>
  `bun run simulate --seed ${seed} ${course(options)
    .map((word) => (/^[\w.-]+$/.test(word) ? word : `'${word}'`))
    .join(" ")} --log`;

/** One seed; whether it held. */
async function one(options: Options, seed: number): Promise<boolean> {
  const { nodes, hours, faults, conductors, leaseSeconds, links, log } = options;
  const settings: Settings = {
    seed,
    nodes,
    hours,
    conductors,
    leaseSeconds,
    links,
    faults,
    out: log ? (line) => console.log(line) : null,
  };
  const began = performance.now();
  const { violations, journal, events, revisions } = await new Simulation(settings).run();
  const took = `${events} events, ${revisions} revisions, ${((performance.now() - began) / 1000).toFixed(1)} s`;
  if (violations.length === 0) {
    console.log(`ok      seed ${seed}: ${nodes} nodes, ${hours} h, ${took}`);
    return true;
  }
  const last = log ? [] : [`the last of what happened:`, ...journal.slice(-60)];
  const lines = [...last, ...violations.slice(0, 20), `again:  ${replay(options, seed)}`];
  console.log([`FAILED  seed ${seed}: ${took}`, ...lines.map((line) => `        ${line}`)].join("\n"));
  return false;
}

interface Sum {
  passed: number;
  failed: number;
}

/** Every `step`th seed, one after the other. */
async function several(options: Options): Promise<Sum> {
  const sum = { passed: 0, failed: 0 };
  for (let seed = options.seed; seed < options.seed + options.seeds; seed += options.step) {
    if (await one(options, seed)) sum.passed += 1;
    else sum.failed += 1;
    if (sum.failed > 0 && options.once) break;
  }
  return sum;
}

/** The same in so many processes, each with its share. */
async function inProcesses(options: Options, jobs: number): Promise<Sum> {
  const { seed, seeds } = options;
  const shares = Array.from({ length: jobs }, async (_, share) => {
    const process_ = Bun.spawn(
      [
        ...[process.execPath, ...process.execArgv, import.meta.path, "--jobs", "1", "--step", String(jobs)],
        ...["--seed", String(seed + share), "--seeds", String(seeds - share)],
        ...course(options),
        ...(options.once ? ["--until-failed"] : []),
      ],
      { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    );
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of process_.stdout) {
      text += decoder.decode(chunk, { stream: true });
      // Whole lines, and not the last one: the sum is made here.
      const end = text.lastIndexOf("\n", text.length - 2);
      if (end >= 0) process.stdout.write(text.slice(0, end + 1));
      text = text.slice(end + 1);
    }
    await process_.exited;
    const sum = /^(\d+) passed, (\d+) failed$/.exec(text.trim());
    if (sum) return { passed: Number(sum[1]), failed: Number(sum[2]) };
    console.log(text);
    throw new Error(`a process that simulates ended with status ${process_.exitCode} before its last seed`);
  });
  const sums = await Promise.all(shares);
  return {
    passed: sums.reduce((sum, { passed }) => sum + passed, 0),
    failed: sums.reduce((sum, { failed }) => sum + failed, 0),
  };
}

try {
  const given = options();
  if (given.help) console.log(HELP);
  else {
    const { seeds, jobs, log } = given;
    const wide = Math.min(jobs, seeds);
    const { passed, failed } = wide === 1 || log ? await several(given) : await inProcesses(given, wide);
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed > 0 ? 1 : 0;
  }
} catch (error) {
  const usage = error instanceof Usage || (error instanceof TypeError && "code" in error);
  if (!usage) throw error;
  console.error(`simulate: ${error.message}\n\n${HELP}`);
  process.exitCode = 2;
}
