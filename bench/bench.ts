import { cpus } from "node:os";
import { arrival } from "./arrival.ts";
import { fleet } from "./fleet/fleet.ts";
import { hotplug } from "./hotplug.ts";
import { http } from "./http.ts";
import { links } from "./links.ts";
import { live } from "./live.ts";
import { met, type Row } from "./measure.ts";
import { memory } from "./memory.ts";
import { cleanUp } from "./processes.ts";
import { table } from "./report.ts";
import { command, scan } from "./scan.ts";
import { start } from "./start.ts";

interface Given {
  restSeconds: number;
  agents: number;
  db: ("sqlite" | "postgres")[];
}

const BENCHES: Record<string, { says: string; run(options: Given): Promise<Row[]> }> = {
  scan: { says: "a scan of 64 and 1,000 functions, and of this machine's bus, against C programs", run: scan },
  command: { says: "`sinew scan --json` of 1,000 functions against lspci -vvv", run: command },
  http: { says: "the conductor's hardware against a server of the same bytes", run: http },
  start: { says: "start to the first 200, by role", run: start },
  arrival: { says: "agent start to its devices in the conductor", run: arrival },
  links: { says: "agents' links: bytes and CPU of a hello, and 10,000 that connect", run: links },
  fleet: { says: "10,000 agents and one conductor: hellos, storms, changes, memory (see docs/scale.md)", run: fleet },
  live: { says: "a rescan after one change, and what an idle agent costs", run: live },
  hotplug: { says: "hot-plug in a guest of QEMU's to the conductor's answer (see docs/lab.md)", run: hotplug },
  memory: { says: "memory by role, at rest and after 10,000 requests", run: memory },
};

const USAGE = `bun run bench [NAME...] [--json] [--rest SECONDS] [--agents N] [--db sqlite,postgres]

${Object.entries(BENCHES)
  .map(([name, { says }]) => `  ${name.padEnd(8)}  ${says}`)
  .join("\n")}

Without a name all of them but \`fleet\`, in this order; about seven minutes. \`fleet\` takes eight of its own.
  --rest    how long memory is left to settle before it is read (default: 60)
  --agents  how many of them \`fleet\` starts (default: 10000)
  --db      on which databases (default: both)`;

const DATABASES = ["sqlite", "postgres"] as const;

const databases = (list = "") => DATABASES.filter((one) => list.split(",").includes(one));

function readArguments(args: string[]): (Given & { names: string[]; json: boolean }) | null {
  const options = {
    names: [] as string[],
    json: false,
    restSeconds: 60,
    agents: 10_000,
    db: [...DATABASES] as Given["db"],
  };
  for (let index = 0; index < args.length; index++) {
    const given = args[index] ?? "";
    if (given === "--json") options.json = true;
    else if (given === "--rest" && Number(args[index + 1]) > 0) options.restSeconds = Number(args[++index]);
    else if (given === "--agents" && Number(args[index + 1]) > 0) options.agents = Number(args[++index]);
    else if (given === "--db") options.db = databases(args[++index]);
    else if (Object.hasOwn(BENCHES, given)) options.names.push(given);
    else return null;
  }
  if (options.names.length === 0) options.names = Object.keys(BENCHES).filter((name) => name !== "fleet");
  return options;
}

const options = readArguments(process.argv.slice(2));
if (!options) {
  console.error(USAGE);
  process.exit(2);
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => cleanUp().then(() => process.exit(1)));
const rows: Row[] = [];
try {
  for (const name of options.names) {
    if (!options.json) console.error(`${name}: ${BENCHES[name]?.says} ...`);
    rows.push(...((await BENCHES[name]?.run(options)) ?? []));
  }
} finally {
  await cleanUp();
}
const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${process.platform} ${process.arch}, Bun ${Bun.version}`;
if (options.json) {
  console.log(JSON.stringify({ machine, rows: rows.map((row) => ({ ...row, met: met(row) })) }, null, 2));
} else {
  console.log(`${machine}; medians (min-max), ratios round by round\n\n${table(rows)}`);
}
