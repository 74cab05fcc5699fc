import { freePort } from "../test/support/ports.ts";
import { alternate, compared, type Row } from "./measure.ts";
import { pollUntil, spawn, startRole } from "./processes.ts";

const ROUNDS = 9;

/** From the spawn of a process to its first 200 at /healthz, with fresh state each time; a bare Bun.serve beside it. */
export async function start(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const role of ["conductor", "agent", "all"]) {
    const ours = async () => {
      const since = performance.now();
      const child = startRole(role);
      const healthy = await pollUntil(`${child.url}/healthz`, ({ ok }) => ok, { since });
      // Less often: what answers these is what is being started.
      const ready = await pollUntil(`${child.url}/readyz`, ({ ok }) => ok, { since, pauseMs: 5 });
      await child.stop();
      return { healthy, ready };
    };
    const pairs = await alternate(ROUNDS, ours, bare);
    const against = "a bare Bun.serve";
    rows.push(
      compared(
        {
          what: `start of ${role} to the first 200`,
          unit: "ms",
          against,
          target: { of: "ours", limit: "at most", value: 150 },
        },
        pairs.map(([a, b]) => [a.healthy, b.healthy]),
      ),
      compared(
        { what: `start of ${role} to /readyz 200`, unit: "ms", against },
        pairs.map(([a, b]) => [a.ready, b.ready]),
      ),
    );
  }
  return rows;
}

async function bare() {
  const since = performance.now();
  const port = freePort();
  const child = spawn([new URL("./static-server.ts", import.meta.url).pathname, String(port)]);
  const healthy = await pollUntil(`http://127.0.0.1:${port}`, ({ ok }) => ok, { since });
  await child.stop();
  return { healthy, ready: healthy };
}
