import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { until } from "../support/process.ts";
import { HOST, makeLab, type Started } from "./support.ts";

describe("a netbooted machine, with its id and a reusable token that is bound to it", () => {
  const lab = makeLab();
  const id = crypto.randomUUID();
  let conductor: Started;
  let join = "";
  let boots = 0;
  let machine: Started;

  beforeAll(async () => {
    conductor = await lab.startConductor("c", ["--lease", "1"]);
    join = (await lab.makeToken(conductor, { role: "agent", bound_to: id, uses: null })).join ?? "";
  });
  afterAll(() => lab.close());

  /** Each time with nothing but that. */
  async function boot(): Promise<Started> {
    boots += 1;
    const own = ["--snapshot", HOST, "--drivers", "gpu", "--node", "net1", "--node-id", id, "--join", join];
    return lab.start("agent", `boot-${boots}`, own);
  }
  const state = async () => (await lab.node(conductor, id))?.state;

  test("joins again after each start, with another key", async () => {
    const keys = new Set<string | null | undefined>();
    for (let turn = 0; turn < 2; turn += 1) {
      machine = await boot();
      await until(async () => (await state()) === "LIVE");
      keys.add((await lab.node(conductor, id))?.key);
      expect(await machine.stop("SIGTERM")).toBe(0);
      await until(async () => (await state()) === "LEFT");
    }
    expect(keys.size).toBe(2);
  });

  test("joins again although another machine has just tried to be it", async () => {
    const other = (await lab.makeToken(conductor, { role: "agent" })).join ?? "";
    const own = ["--snapshot", HOST, "--drivers", "gpu", "--node", "net1", "--node-id", id, "--join", other];
    await expect(lab.start("agent", "other", own)).rejects.toThrow(/two keys claim to be node/);
    expect(await state()).toBe("CONFLICT");
    machine = await boot();
    await until(async () => (await state()) === "LIVE");
    expect(await machine.stop("SIGTERM")).toBe(0);
    await until(async () => (await state()) === "LEFT");
  });

  test("joins again after its power was cut, once it has been silent long enough, and is in no conflict", async () => {
    machine = await boot();
    await until(async () => (await state()) === "LIVE");
    // Not killed, which would close its connection: without power a machine says nothing at all.
    process.kill(machine.pid, "SIGSTOP");
    let again: Started | null = null;
    await until(async () => {
      again = await boot().catch(() => null);
      return again !== null;
    }, 20_000);
    if (again) machine = again;
    await until(async () => (await state()) === "LIVE");
    expect((await lab.node(conductor, id))?.conditions).toEqual([]);
  }, 30_000);

  test("beside another one of the same id is a CONFLICT, both named, and the first one goes on", async () => {
    const { key } = (await lab.node(conductor, id)) ?? {};
    await expect(boot()).rejects.toThrow(/two keys claim to be node/);
    const shown = await lab.node(conductor, id);
    expect(shown).toMatchObject({ state: "CONFLICT", key, conditions: [{ reason: "TwoKeys" }] });
    expect(shown?.conditions?.[0]?.message).toContain(key ?? "no key");
    const asked = await lab.ask(conductor, "/discovery", { method: "POST", headers: { prefer: "wait=10" } });
    expect(await asked.json()).toMatchObject({ status: "SUCCEEDED" });
    expect((await lab.devices(conductor)).every(({ freshness }) => freshness === "FRESH")).toBe(true);
  });
});
