// `bun bench/fleet/list-sql.ts DB TIMES`: reads the first 1,000 rows of hardware as a list needs them, by the database's own
// driver and nothing else, and tells the CPU of one, in microseconds, of this process.
import { cpuMs } from "../processes.ts";

const [url = "", times = "1"] = process.argv.slice(2);
const TEXT = "SELECT * FROM hardware ORDER BY id LIMIT 1001";

async function open(): Promise<() => Promise<unknown>> {
  if (url.startsWith("sqlite:")) {
    const { Database } = await import("bun:sqlite");
    const statement = new Database(url.slice("sqlite:".length), { readonly: true }).prepare(TEXT);
    return async () => statement.values();
  }
  const { default: postgres } = await import("postgres");
  const sql = postgres(url, { max: 1 });
  return () => sql.unsafe(TEXT, [], { prepare: true }).values();
}

const read = await open();
const figures: number[] = [];
for (let round = 0; round < 4; round += 1) {
  const before = cpuMs(process.pid);
  for (let time = 0; time < Number(times); time += 1) await read();
  if (round > 0) figures.push(((cpuMs(process.pid) - before) * 1000) / Number(times));
}
console.log(JSON.stringify({ us: figures.sort((a, b) => a - b)[1] }));
process.exit(0);
