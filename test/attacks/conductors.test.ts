import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChangeList } from "../../src/contract/change.ts";
import { ConductorList } from "../../src/contract/fleet/conductor.ts";
import { FleetHardwareList } from "../../src/contract/hardware.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import { endAll, type RunningSinew, startSinew, until } from "../support/process.ts";

const LEASE = 2;
const NODE = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "n1" };
const DEVICE = { uuid: "8e45a2ea-5364-4b0d-a252-bf8becaa606e", source: "crypto" };
const OK = { name: "crypto", type: "CRYPTO", endpoint: null, status: "OK", observed_at: null, count: 1, error: null };
const servers = databases.filter(({ name }) => name === "postgres");

/** Processes that serve one database, behind a load balancer that is this test: each hello goes where it says. */
describe.each(servers)("conductor processes on $name", ({ open }) => {
  const home = mkdtempSync(join(tmpdir(), "sinew-conductors-"));
  let database: TestDatabase;
  let a: RunningSinew;
  let b: RunningSinew;
  const agent = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => Response.json({ hardware: [DEVICE], sources: [OK], generation: "g1" }),
  });

  const start = (name: string) =>
    startSinew(["--role", "conductor", "--state", join(home, name), "--db", database.url, "--lease", String(LEASE)]);
  const say = async (at: RunningSinew) => {
    const hello = { status: "READY", endpoint: `127.0.0.1:${agent.port}`, node: NODE, generation: "g1" };
    const body = JSON.stringify({ ...hello, api: { min: "1.0", max: "1.0" } });
    const headers = { "content-type": "application/json" };
    return (await fetch(`${at.url}/hello`, { method: "POST", body, headers })).status;
  };
  /** Says hello where it is told to, as often as a lease wants, until it is true. */
  async function saying(at: () => RunningSinew, isTrue: () => Promise<boolean>) {
    await until(async () => {
      expect(await say(at())).toBe(200);
      await Bun.sleep((LEASE * 1000) / 6);
      return isTrue();
    }, 30_000);
  }
  const times = (count: number) => {
    let left = count;
    return async () => --left <= 0;
  };
  const conductors = async (at: RunningSinew) =>
    ConductorList.parse(await (await fetch(`${at.url}/conductors`)).json()).conductors;
  const log = async (at: RunningSinew) =>
    ChangeList.parse(await (await fetch(`${at.url}/changes?limit=1000`)).json()).changes;
  const states = async (at: RunningSinew) =>
    (await log(at)).map(({ state }) => state).filter((state) => state !== null);
  const freshness = async (at: RunningSinew) =>
    FleetHardwareList.parse(await (await fetch(`${at.url}/hardware`)).json()).hardware[0]?.freshness;

  beforeAll(async () => {
    database = await open();
    [a, b] = await Promise.all([start("a"), start("b")]);
    await until(async () => (await conductors(a)).length === 2);
  }, 60_000);
  afterAll(async () => {
    await endAll();
    await agent.stop(true);
    await database.close();
    rmSync(home, { recursive: true });
  });

  test("hellos that take turns keep a node LIVE, and change nothing", async () => {
    await say(a);
    await until(async () => (await freshness(b)) === "FRESH");
    const before = (await log(b)).length;
    let turn = 0;
    const next = () => {
      turn += 1;
      return turn % 2 === 0 ? a : b;
    };
    await saying(next, times(18));
    // And where they all come to the one that does not own it.
    await saying(() => b, times(18));
    expect((await log(a)).length).toBe(before);
  }, 60_000);

  test("kill -9 of its owner: the other one has it, and it is LIVE all the time", async () => {
    const before = (await states(b)).length;
    await a.stop("SIGKILL");
    await saying(
      () => b,
      async () => (await conductors(b)).length === 1,
    );
    expect(await conductors(b)).toMatchObject([{ endpoint: b.url, nodes: 1 }]);
    await saying(() => b, times(15));
    expect((await states(b)).slice(before)).toEqual([]);
    a = await start("a");
  }, 60_000);

  test("SIGSTOP of its owner for longer than a lease: the other one has it, and nothing is said twice", async () => {
    const before = (await states(a)).length;
    await until(async () => (await conductors(a)).length === 2);
    process.kill(b.pid, "SIGSTOP");
    await saying(
      () => a,
      async () => (await conductors(a)).length === 1,
    );
    await saying(() => a, times(15));
    process.kill(b.pid, "SIGCONT");
    await saying(
      () => a,
      async () => (await conductors(a)).length === 2,
    );
    await saying(() => b, times(15));
    expect((await states(a)).slice(before)).toEqual([]);
    expect((await conductors(b)).map(({ nodes }) => nodes).toSorted()).toEqual([0, 1]);
  }, 90_000);

  test("one that stops gives its nodes up, and a node that nobody hears is LOST once", async () => {
    const before = (await states(a)).length;
    expect(await b.stop("SIGTERM")).toBe(0);
    await until(async () => (await states(a)).at(-1) === "LOST", 30_000);
    expect((await states(a)).slice(before)).toEqual(["LATE", "LOST"]);
    expect(await freshness(a)).toBe("STALE");
  }, 60_000);
});
