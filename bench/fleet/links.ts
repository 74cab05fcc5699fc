import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeLeaf, openAuthority } from "../../src/cli/tls/authority.ts";
import { freePort } from "../../test/support/ports.ts";
import type { Peer } from "../peers.ts";
import { cpuMs, memoryMb, scratch } from "../processes.ts";

const PROGRAM = new URL("./links-floor.ts", import.meta.url).pathname;
const NODE = "floor";

/**
 * What as many links over the same kind of certificate cost a server that asks nobody who they are: its CPU for each in
 * microseconds, its memory for each in kilobytes.
 */
export async function linksFloor(
  count: number,
  start: (program: string, args: string[], prefix?: string[]) => Peer,
): Promise<{ floorUs: number; floorKb: number }> {
  const state = scratch();
  const authority = await openAuthority(state, NODE);
  const { tls } = await makeLeaf(authority, { node: NODE, hosts: [] }, new Date());
  const [ca, cert, key] = ["ca", "cert", "key"].map((name) => join(state, name)) as [string, string, string];
  for (const [path, text] of [
    [ca, authority.cert],
    [cert, tls.cert],
    [key, tls.key],
  ] as const)
    writeFileSync(path, text);
  const port = freePort();
  const server = start(PROGRAM, ["serve", String(port), cert, key], ["taskset", "-c", "0"]);
  await server.told("serving", 1);
  const before = { cpu: cpuMs(server.pid), rss: memoryMb(server.pid).rss };
  const args = ["dial", `wss://127.0.0.1:${port}`, ca, NODE, String(count)];
  const diallers = start(PROGRAM, args, ["taskset", "-c", "1"]);
  await diallers.told("answered", count);
  const floorUs = ((cpuMs(server.pid) - before.cpu) * 1000) / count;
  const floorKb = ((memoryMb(server.pid).rss - before.rss) * 1000) / count;
  await diallers.end();
  await server.end();
  return { floorUs, floorKb };
}
