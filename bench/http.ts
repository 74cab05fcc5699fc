import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../test/support/ports.ts";
import { alternate, compared, type Row } from "./measure.ts";
import {
  ask,
  type Child,
  cpuMs,
  pollUntil,
  ready,
  scratch,
  spawn,
  startRole,
  syntheticSysfs,
  TOKEN,
} from "./processes.ts";

const CONNECTIONS = 16;
const REQUESTS = 4_000;
const ROUNDS = 9;

const AGAINST = "Bun.serve, the same bytes";

/** A conductor on SQLite against a server that does nothing but send the same bytes. */
export async function http(): Promise<Row[]> {
  const sysfs = syntheticSysfs(1_000);
  const conductor = startRole("conductor");
  await ready(conductor.url);
  const agent = startRole("agent", "--sysfs", sysfs, "--conductor", conductor.url);
  await pollUntil(`${conductor.url}/hardware?limit=1000`, async (response) => (await listed(response)).length > 800, {
    pauseMs: 50,
  });
  const [first] = await listed(await ask(`${conductor.url}/hardware?limit=1`));
  const rows = [
    ...(await against(conductor, "/hardware?limit=100", "GET /hardware?limit=100", 0.6)),
    ...(await against(conductor, `/hardware/${first?.uuid}`, "GET /hardware/{uuid}", null)),
  ];
  await agent.stop();
  await conductor.stop();
  return rows;
}

const listed = async (response: Response): Promise<{ uuid: string }[]> =>
  response.ok ? ((await response.json()) as { hardware: { uuid: string }[] }).hardware : [];

async function against(ours: Child & { url: string }, path: string, what: string, target: number | null) {
  const file = join(scratch(), "body.json");
  const body = await (await ask(ours.url + path)).bytes();
  writeFileSync(file, body);
  const port = freePort();
  const theirs = spawn([new URL("./static-server.ts", import.meta.url).pathname, String(port), file]);
  const url = `http://127.0.0.1:${port}`;
  await pollUntil(url, ({ ok }) => ok);

  const side = (server: Child, url: string) => async () => {
    const before = cpuMs(server.pid);
    const seconds = await load(url, REQUESTS);
    return { perSecond: REQUESTS / seconds, us: ((cpuMs(server.pid) - before) * 1000) / REQUESTS };
  };
  const pairs = await alternate(ROUNDS, side(ours, ours.url + path), side(theirs, url));
  await theirs.stop();
  const size = `${(body.byteLength / 1000).toFixed(1)} kB`;
  return [
    compared(
      {
        what: `${what} (${size})`,
        unit: "req/s",
        against: AGAINST,
        target: target === null ? null : { of: "ratio", limit: "at least", value: target },
      },
      pairs.map(([a, b]) => [a.perSecond, b.perSecond]),
    ),
    compared(
      {
        what: `${what}, server CPU per request`,
        unit: "us",
        against: AGAINST,
        // The same promise, where the client can't hide what the server costs.
        target: target === null ? null : { of: "ratio", limit: "at most", value: Number((1 / target).toFixed(2)) },
      },
      pairs.map(([a, b]) => [a.us, b.us]),
    ),
  ];
}

/** Seconds that a client process took for so many requests. */
export async function load(url: string, requests: number): Promise<number> {
  const client = spawn([
    new URL("./load.ts", import.meta.url).pathname,
    url,
    String(requests),
    String(CONNECTIONS),
    TOKEN,
  ]);
  const status = await client.process.exited;
  const seconds = Number(client.output());
  if (status !== 0 || !(seconds > 0)) throw new Error(`the load on ${url} failed: ${client.output()}`);
  return seconds;
}
