import { afterEach, expect, test } from "bun:test";
import { FleetHardwareList, type HardwareList } from "../../../src/contract/hardware.ts";
import { CARD, type Running, startAgent, startConductor, until } from "../../support/tiers.ts";

// What one driver says must not cost its node: the agent stays one that a conductor takes.
let stopping: { stop(force?: boolean): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of stopping) await one.stop(true);
  stopping = [];
});
const later = <T extends { stop(): Promise<void> }>(one: T): T => {
  stopping.unshift(one);
  return one;
};

const api = { min: "1.0", max: "1.0" };
const hello = (to: Running, body: object) =>
  fetch(`${to.url}/hello`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ status: "READY", api, ...body }),
  });
const hardware = async <T = HardwareList>(of: Running) => (await (await fetch(`${of.url}/hardware`)).json()) as T;
const fleet = async (of: Running) => FleetHardwareList.parse(await hardware<unknown>(of));
const driver = (body: () => object) =>
  later(Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json(body()) }));

test.each([
  [
    "an endpoint that is too long once percent-encoded",
    { name: "evil", endpoint: `localhost:9/${"\u4f60".repeat(1000)}` },
  ],
  ["a built-in driver's name and a long endpoint", { name: "crypto", endpoint: `localhost:9/${"a".repeat(1000)}` }],
])("%s is refused, and the node stays as it was", async (_, body) => {
  const conductor = later(await startConductor());
  const agent = later(await startAgent({ conductor: conductor.url }));
  await until("the card", async () => (await fleet(conductor)).hardware.length === 1);
  const response = await hello(agent, body);
  expect([response.status, await response.json()]).toMatchObject([400, { code: "invalid" }]);
  const options = { method: "POST", headers: { prefer: "wait=10" } };
  expect(await (await fetch(`${conductor.url}/discovery`, options)).json()).toMatchObject({ status: "SUCCEEDED" });
  expect((await fleet(conductor)).hardware).toMatchObject([{ uuid: CARD.uuid, freshness: "FRESH" }]);
});

test("a device with all conditions that there may be, from two drivers, passes up to the conductor", async () => {
  const since = new Date().toISOString();
  const conditions = Array.from({ length: 64 }, (_, i) => ({
    ...{ type: `C${i}`, status: "true", reason: "R", message: "m", action: null, since },
  }));
  const card = { ...CARD, acc_status: { setup_required: false, reboot_required: false, conditions } };
  const conductor = later(await startConductor());
  const agent = later(await startAgent({ conductor: conductor.url, drivers: [] }));
  const { host } = driver(() => ({ hardware: [card] })).url;
  for (const name of ["one", "two"]) await hello(agent, { name, endpoint: host });
  await until("both", async () => (await fleet(conductor)).hardware.length === 2);
  const { hardware: devices, sources } = await fleet(conductor);
  expect(sources).toEqual([]);
  for (const device of devices) expect(device.acc_status.conditions.at(-1)?.type).toBe("DuplicateIdentity");
});

test("a driver whose devices swell when they are written again fails alone", async () => {
  const conductor = later(await startConductor());
  const agent = later(await startAgent({ conductor: conductor.url }));
  await until("the card", async () => (await fleet(conductor)).hardware.length === 1);
  const numbers = `[${"1e20,".repeat(30_000)}1]`;
  const device = (_: unknown, i: number) =>
    `{"uuid":"bbbbbbbb-0000-4000-8000-${i + 100_000_000_000}","acc_specs":{"acc_capability":{"x":${numbers}}}}`;
  const text = `{"hardware":[${Array.from({ length: 105 }, device).join()}]}`;
  const peer = later(Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(text) }));
  await hello(agent, { name: "swelling", endpoint: peer.url.host });
  const failed = async () => (await fleet(conductor)).sources.find(({ name }) => name === "swelling");
  expect((await until("its failure", failed, 25_000)).error?.message).toContain("bytes of devices on one node");
  const cards = await (await fetch(`${conductor.url}/hardware?device_type=CRYPTO`)).json();
  expect(cards).toMatchObject({ hardware: [{ uuid: CARD.uuid, freshness: "FRESH" }] });
}, 40_000);

test.each(["g\u4e2d", 'a"b', "a\nb", "\u00ff"])(
  "a generation that fits no header, %j, is asked for whole",
  async (generation) => {
    let asked = 0;
    const peer = driver(() => {
      asked += 1;
      return { hardware: [CARD], generation };
    });
    const agent = later(await startAgent({ leaseSeconds: 0.1, drivers: [] }));
    const statuses = new Set<string | undefined>();
    await hello(agent, { name: "odd", endpoint: peer.url.host, api: undefined });
    await until("its card", async () => (await hardware(agent)).hardware.length === 1);
    await until("four pulls", async () => {
      statuses.add((await hardware(agent)).sources[0]?.status);
      return asked >= 4;
    });
    expect([...statuses]).toEqual(["OK"]);
  },
);

test("an agent starts without a stored driver that no call could reach", async () => {
  const drivers = [{ name: "odd", type: null, endpoint: "ftp://nowhere", seed: false, left: false }];
  const state = { version: 1, drivers, devices: [], sources: [], known: [] };
  const agent = later(await startAgent({ store: { load: async () => state, save: async () => {} } }));
  expect((await hardware(agent)).sources.map(({ name }) => name)).toEqual(["crypto"]);
});
