import { expect, test } from "bun:test";
import { lines } from "../../cli/run.ts";
import { type Fleet, GPU, QAT, useFleet } from "../../support/fleet.ts";
import { until } from "../../support/process.ts";

let fleet: Fleet;
let uuid = "";

useFleet(async (begun) => {
  fleet = begun;
  uuid = (await fleet.json("get", "hardware", `n1/${GPU}`)).hardware[0].uuid;
});

test("a device is described: what and where it is, why it is not ready, since when, what to do, who holds it", async () => {
  const { code, out, err } = await fleet.type("describe", "hardware", `n1/${GPU}`);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  for (const said of [
    /^ID: +[0-9a-f-]{36}$/m,
    /^Node: +n1 \([0-9a-f-]{36}, LIVE\)$/m,
    /^Status: +NotReady, since \d+s ago \(.*Z\)$/m,
    /^Why: +NoKernelDriver: no kernel driver is bound/m,
    /^What to do: .*modprobe/m,
    /^ {2}Slot: +9$/m,
    /^ {2}Kernel driver: +none is bound$/m,
    /^ {2}DriverBound +false +\d+s +NoKernelDriver /m,
    /^Held by:\n {2}nobody that can be seen/m,
    /^Alarms:\n {2}none fires$/m,
    /^Setup:\n {2}nothing was written/m,
    /^ {2}[\d-]+ [\d:]+ +added +NotReady; NoKernelDriver/m,
  ])
    expect(out).toMatch(said);
  const json = await fleet.json("describe", "hardware", uuid.slice(0, 8));
  expect(json).toMatchObject({
    hardware: { uuid },
    node: { name: "n1" },
    source: { status: "OK" },
    setup: [],
    holders: [],
  });
});

test("a node is described: its state, what is in it, who reports it, what is wrong", async () => {
  const { out } = await fleet.type("describe", "node", "n1");
  for (const said of [
    /^Status: +LIVE$/m,
    /^Hardware:\n {2}ID +TYPE +NAME/m,
    /^ {2}gpu +GPU +OK /m,
    /^ {2}.* state +node n1: EXPECTED -> LIVE/m,
    /^ {2}.* added +\S.* at 0000:5e:00.0: NotReady; NoKernelDriver/m,
  ])
    expect(out).toMatch(said);
  const expected = await fleet.type("describe", "node", "node/n3");
  expect(expected.out).toMatch(/^What to do: +start its agent with a token of `sinew token create --node n3`$/m);
  expect(expected.out).toMatch(/^Labels: +rack=r9, site=ams$/m);
  expect(await fleet.type("describe", "node", "nosuch")).toMatchObject({ code: 1, out: "" });
});

test("what a device went through is told as what became different, the newest first", async () => {
  fleet.tree.bind(GPU, "nvidia");
  const history = () => fleet.type("history", "hardware", uuid);
  await until(async () => (await history()).out.includes("ready false -> true"), 20_000);
  const [head, first, ...rest] = lines((await history()).out);
  expect(head).toMatch(/^TIME \(UTC\) +KIND +WHAT$/);
  expect(first).toMatch(/ changed +ready false -> true; DriverBound is true: Bound; .*kernel_driver none -> nvidia/);
  expect(rest.at(-1)).toMatch(/ added +NotReady; NoKernelDriver/);
  expect(lines((await fleet.type("history", "hardware", uuid, "--limit", "1", "--no-headers")).out)).toEqual([
    first ?? "",
  ]);
  const { history: events } = await fleet.json("history", "node", "n1");
  expect(events.map(({ kind }: { kind: string }) => kind)).toContain("state");
  expect(events[0].what).toMatch(/ at 0000:5e:00.0: ready false -> true/);
});

test("wait ends with 0 when it is so, and with 3 and what it is instead when it is not in time", async () => {
  const ready = await fleet.type("wait", `hardware/${uuid}`, "--for", "ready");
  expect(ready).toMatchObject({ code: 0, out: `hardware/${uuid}: it is Ready\n` });
  expect(await fleet.type("wait", `hw/${uuid}`, "--for", "ready")).toMatchObject({ code: 0 });
  const vain = await fleet.type("wait", `hardware/n1/${QAT}`, "--for", "gone", "--timeout", "1s");
  expect(vain).toMatchObject({ code: 3, out: "", err: expect.stringContaining("in vain: it is Ready") });
  const once = await fleet.type("wait", "node/n3", "--for", "live", "--timeout", "0s");
  expect(once).toMatchObject({ code: 3, err: expect.stringContaining("NeverSeen") });
  const bound = await fleet.type("wait", `hardware/${uuid}`, "--for", "condition=driverbound", "--timeout", "0s");
  expect(bound).toMatchObject({ code: 0, out: expect.stringContaining("DriverBound is true: Bound") });
  for (const [args, said] of [
    [["hardware/x", "--for", "live"], "--for: expected ready, gone or condition=TYPE"],
    [["gpu/x", "--for", "ready"], "expected hardware/ID or node/NAME"],
    [["node/n1", "--for", "gone", "--timeout", "soon"], "--timeout: expected a time such as"],
    [["node/n1"], "--for"],
  ] as const)
    expect(await fleet.type("wait", ...args)).toMatchObject({ code: 2, err: expect.stringContaining(said) });
  expect(await fleet.type("wait", "hardware/ffffffff", "--for", "ready")).toMatchObject({ code: 1 });
  // What was never there is not gone: the word was misspelt.
  expect(await fleet.type("wait", "node/n11", "--for", "gone")).toMatchObject({
    ...{ code: 1, out: "", err: expect.stringContaining("did you mean n1?") },
  });
});

test("wait hears of it from the feed: of what goes, of what is not there yet, over a restart of the conductor", async () => {
  const gone = fleet.follow(["wait", `hardware/n1/${QAT}`, "--for", "gone"]);
  const comes = fleet.follow(["wait", "hardware/n1/5f:00.0", "--for", "ready"]);
  const left = fleet.follow(["wait", "node/n2", "--for", "gone", "--timeout", "2m"]);
  const never = fleet.follow(["wait", "node/n9", "--for", "live", "--timeout", "2m"]);
  await until(() => [gone, comes, left, never].every(({ err }) => err().includes("waiting for")), 20_000);
  expect(comes.err()).toContain("it is not in the fleet");
  expect(comes.err()).toContain('no device has the id or the name "n1/5f:00.0"; did you mean n1/5e:00.0');
  expect(never.err()).toContain("no node has the id");
  await fleet.restartConductor();
  fleet.tree.remove(QAT);
  fleet.tree.add({
    ...{
      address: "0000:00:03.0",
      secondary: 0x5f,
      vendor: "8086",
      device: "352a",
      class: "060400",
      driver: "pcieport",
    },
  });
  fleet.tree.add({
    ...{ address: "0000:5f:00.0", parent: "0000:00:03.0", vendor: "10de", device: "2331", class: "030200" },
    driver: "nvidia",
  });
  expect(await gone.code()).toBe(0);
  expect(gone.out()).toContain("it is Gone");
  expect(await comes.code()).toBe(0);
  await fleet.nodes.n2.stop("SIGTERM");
  expect(await left.code()).toBe(0);
  // Its link may not be there again yet: then nobody hears that it leaves.
  expect(left.out()).toMatch(/it is (LEFT|LOST)/);
  await never.stop();
}, 120_000);
