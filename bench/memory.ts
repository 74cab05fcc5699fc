import { freePort } from "../test/support/ports.ts";
import { load } from "./http.ts";
import { type Row, row, spread } from "./measure.ts";
import { memoryMb, pollUntil, ready, spawn, startRole, syntheticSysfs } from "./processes.ts";

const REQUESTS = 10_000;
/** 60 MB, counted as /proc does in kB of 1,024 and given in millions of bytes. */
const AGENT_MB = 60;

/** What a machine with a few accelerators has on its bus. */
const FUNCTIONS = 20;

/** Memory of each role as people run it: after a rest, and after 10,000 requests. */
export async function memory({ restSeconds }: { restSeconds: number }): Promise<Row[]> {
  const conductor = startRole("conductor");
  await ready(conductor.url);
  const sysfs = ["--sysfs", syntheticSysfs(FUNCTIONS)];
  const agent = startRole("agent", "--conductor", conductor.url, ...sysfs);
  await ready(agent.url);
  const driver = startRole("driver", "--driver", "gpu", "--agent", agent.url, ...sysfs);
  const all = startRole("all", ...sysfs);
  const port = freePort();
  const plain = {
    ...spawn([new URL("./static-server.ts", import.meta.url).pathname, String(port)]),
    url: `http://127.0.0.1:${port}`,
  };
  await Promise.all([ready(driver.url), ready(all.url), pollUntil(plain.url, ({ ok }) => ok)]);
  await Bun.sleep(restSeconds * 1000);

  const named = Object.entries({ conductor, agent, driver, all, "a bare Bun.serve": plain });
  const atRest = new Map(named.map(([name, { pid }]) => [name, memoryMb(pid)]));
  const rows: Row[] = [];
  for (const [name, child] of named) {
    await load(`${child.url}/hardware`, REQUESTS);
    const after = memoryMb(child.pid);
    const before = atRest.get(name) ?? after;
    const anon = (mb: number) =>
      `of which ${mb.toFixed(1)} MB are its own, the rest is mapped files, mostly the runtime's program`;
    rows.push(
      row({
        what: `memory of ${name}, ${restSeconds} s after start`,
        unit: "MB",
        ours: spread([before.rss]),
        target: name === "agent" ? { of: "ours", limit: "at most", value: AGENT_MB } : null,
        note: anon(before.anon),
      }),
      row({
        what: `memory of ${name}, after ${REQUESTS} requests`,
        unit: "MB",
        ours: spread([after.rss]),
        note: anon(after.anon),
      }),
    );
  }
  for (const [, child] of named) await child.stop();
  return rows;
}
