import { expect, test } from "bun:test";
import { FleetHardwareList, type Hardware } from "../../../src/contract/hardware.ts";
import { NodeList } from "../../../src/contract/node.ts";
import { lines } from "../../cli/run.ts";
import { type Fleet, GPU, QAT, useFleet } from "../../support/fleet.ts";
import { until } from "../../support/process.ts";

let fleet: Fleet;
const get = (...args: string[]) => fleet.type("get", ...args);
const rows = async (...args: string[]) =>
  lines((await get(...args, "--no-headers")).out).map((row) => row.split(/ {2,}/));

useFleet((begun) => {
  fleet = begun;
});

test("hardware is listed with where it is, whether it is ready, since when, why not and what to do", async () => {
  const { code, out, err } = await get("hardware");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).not.toContain("\u001b");
  expect(out).not.toContain("\t");
  const [head = "", ...all] = lines(out);
  expect(head.split(/ {2,}/)).toEqual(["ID", "NODE", "TYPE", "NAME", "ADDRESS", "STATUS", "SINCE", "REASON"]);
  expect(all).toHaveLength(6);
  const at = head.indexOf("STATUS");
  for (const row of all) expect(row.slice(at)).toMatch(/^(Ready|NotReady) /);
  expect(all.find((row) => row.includes(GPU))).toMatch(
    / n1 +GPU .* NotReady +\d+s +NoKernelDriver: .*\(.*modprobe.*\)$/,
  );
  expect(all.find((row) => row.includes(QAT))).toMatch(/ n1 +CRYPTO .* Ready +\d+s +-$/);
});

test("wide has a column for each of what a card is looked for by", async () => {
  const { out } = await get("hardware", "n1/3b:00.0", "-o", "wide");
  const [head = "", row = ""] = lines(out);
  for (const heading of ["NUMA", "IOMMU GROUP", "KERNEL DRIVER", "LINK", "SLOT", "SERIAL", "FIRMWARE", "ACTION"])
    expect(head).toContain(heading);
  expect(row).toMatch(/ 1 +\S+ +4xxx +16GT\/s x16 of 32GT\/s x16 +7 +- +00-a0-c9-ff-fe-12-34-56 /);
});

test("json, yaml and name are for programs", async () => {
  const list = await fleet.json("get", "hardware", "--node", "n1");
  const hardware = FleetHardwareList.shape.hardware.parse(list.hardware);
  expect(hardware.map(({ pci }) => pci?.address).toSorted()).toEqual([QAT, GPU]);
  expect(Bun.YAML.parse((await get("hardware", "--node", "n1", "-o", "yaml")).out)).toEqual(list);
  const names = lines((await get("hardware", "--node", "n1", "-o", "name")).out);
  expect(names).toEqual(hardware.map(({ uuid }) => `hardware/${uuid}`));
  // What it prints is what it takes.
  expect((await fleet.json("get", "hardware", ...names)).hardware).toEqual(list.hardware);
  // What the table says is there, too: a script works nothing out.
  const shown = list.hardware.find(({ pci }: Hardware) => pci?.address === GPU)?.shown;
  expect(shown).toEqual({
    ...{ status: "NotReady", since: expect.stringMatching(/^\d{4}-.*Z$/) },
    ...{ reason: expect.stringMatching(/^NoKernelDriver: /), action: expect.stringContaining("modprobe") },
  });
  const [row] = await rows("hardware", `n1/${GPU}`);
  expect(row?.at(-1)).toBe(`${shown.reason} (${shown.action})`);
  const described = await fleet.json("describe", "hardware", `n1/${GPU}`);
  expect(described.hardware.shown).toEqual(shown);
  const expected = (await fleet.json("get", "nodes", "n3")).nodes[0];
  expect(expected.shown).toMatchObject({
    status: "EXPECTED",
    since: null,
    reason: expect.stringMatching(/^NeverSeen: /),
  });
  expect((await fleet.json("describe", "node", "n1")).node.shown).toMatchObject({ status: "LIVE", action: null });
  expect(NodeList.shape.nodes.parse((await fleet.json("get", "nodes")).nodes)).toHaveLength(3);
});

test("one is meant by an id, its beginning, or its node and address; what is not there is said, with what is like it", async () => {
  const [{ uuid = "" } = {}] = (await fleet.json("get", "hardware", `n1/${QAT}`)).hardware;
  for (const id of [uuid, uuid.slice(0, 8), uuid.toUpperCase(), "n1/3b:00.0", "3b:00.0"])
    expect((await rows("hw", id)).map(([, node, type]) => [node, type])).toEqual([["n1", "CRYPTO"]]);
  expect(await get("hardware", "n2")).toMatchObject({ code: 1, err: expect.stringContaining("--node n2`") });
  expect(await get("hardware", "n1/3b:00.1")).toMatchObject({
    code: 1,
    err: expect.stringContaining("did you mean n1/3b:00.0"),
  });
  expect(await get("node", "n11")).toMatchObject({ code: 1, err: expect.stringContaining("did you mean n1?") });
  expect(await get("hardware", uuid.slice(0, 3))).toMatchObject({
    code: 1,
    err: expect.stringContaining("4 characters"),
  });
  expect(await get("hardware", "--node", "n1x")).toMatchObject({
    code: 1,
    err: expect.stringContaining('no node has the id or the name "n1x"'),
  });
});

test("flags choose, in whatever case; a wrong word is bad usage and names the flag", async () => {
  expect((await rows("hardware", "--ready", "false")).map(([, node, type]) => `${node} ${type}`).toSorted()).toEqual([
    ...["n1 GPU", "n2 CRYPTO", "n2 SSD"],
  ]);
  expect(await rows("hardware", "--type", "gpu", "--vendor", "10DE", "--ready", "true")).toHaveLength(1);
  const ready = (await rows("hardware", "--status", "ready")).map((row) => row[5]);
  expect(ready).toEqual(["Ready", "Ready", "Ready"]);
  expect(await rows("hardware", "--status", "NotReady,gone,cordoned")).toHaveLength(3);
  const none = await get("hardware", "--freshness", "gone");
  expect(none).toEqual({ code: 0, out: "", err: "sinew: no device is like that\n" });
  for (const [args, said] of [
    [["hardware", "--ready", "maybe"], '--ready: expected true, false, found "maybe"'],
    [["hardware", "--status", "ready,bad"], "--status: expected Ready, NotReady, Stale, Gone, Cordoned"],
    [["hardware", "--status", "ready", "--ready", "true"], "--status: expected it without --ready"],
    [["hardware", "--vendor", "nvidia"], "--vendor: expected 4 hex digits"],
    [["hardware", "-o", "xml"], "--output: expected table, wide, json, yaml, name"],
    [["hardware", "-l", "=x"], "-l: expected NAME=VALUE"],
    [["nodes", "--status", "up"], "--status: expected LIVE"],
    [["nodes", "--status", "life"], 'found "life"; did you mean LIVE?'],
    [["alarms", "--kind", "x"], "--kind: expected agent.lost"],
    [["hw", "--node", "n1", "--node", "n2"], "--node: expected it once, found it again"],
    [["nodez"], "nodes"],
  ] as const)
    expect(await get(...args)).toMatchObject({ code: 2, err: expect.stringContaining(said) });
  // A driver of one's own may say more: of these it is asked.
  for (const [flag, found, near] of [
    ["--type", "gppu", "GPU"],
    ["--condition", "DriveBound", "DriverBound"],
  ] as const)
    expect(await get("hardware", flag, found)).toMatchObject({
      ...{
        code: 1,
        out: "",
        err: expect.stringMatching(new RegExp(`${flag}: no device has .*did you mean ${near}\\?`)),
      },
    });
});

test("nodes are listed with what is wrong and what to do", async () => {
  const found = await rows("nodes");
  expect(found.map(([, name, status]) => [name, status]).toSorted()).toEqual([
    ["n1", "LIVE"],
    ["n2", "LIVE"],
    ["n3", "EXPECTED"],
  ]);
  expect(found.find(([, name]) => name === "n3")?.at(-1)).toMatch(/^NeverSeen: .*sinew token create --node n3/);
  expect((await rows("nodes", "--status", "expected")).map(([, name]) => name)).toEqual(["n3"]);
});

test("alarms are the same rows as those of `sinew alarms`", async () => {
  await until(async () => (await get("alarms")).out.includes("agent.never_seen"));
  const [{ id = "" } = {}] = (await fleet.json("get", "alarms", "--kind", "agent.never_seen")).alarms;
  const [row] = await rows("alarms", id.slice(0, 8));
  expect(row?.slice(0, 5)).toEqual([id.slice(0, 8), "warning", "agent.never_seen", "n3", "firing"]);
  expect((await fleet.type("alarms", "--node", "n3")).out).toContain(row?.at(-1) ?? "?");
});

test("labels choose nodes, and what is theirs", async () => {
  expect((await rows("nodes", "-l", "rack=r9,site")).map(([, name]) => name)).toEqual(["n3"]);
  for (const kind of ["hardware", "sources"])
    expect(await get(kind, "-l", "rack=r9")).toMatchObject({
      code: 0,
      out: "",
      err: expect.stringContaining("like that"),
    });
  expect((await rows("changes", "-l", "rack=r9", "--limit", "1")).map((row) => row[3])).toEqual(["n3"]);
  for (const kind of ["alarms", "changes"])
    expect(await get(kind, "-l", "rack=r8")).toMatchObject({
      code: 0,
      out: "",
      err: expect.stringContaining("sinew: "),
    });
  expect(await get("nodes", "-l", "rack=r8")).toMatchObject({ code: 0, out: "", err: "sinew: no node is like that\n" });
});

test("sources, operations and changes are listed with why", async () => {
  expect((await rows("sources", "--node", "n1", "--status", "ok")).map(([, name]) => name)).toContain("gpu");
  expect((await rows("source", "n1/crypto"))[0]?.slice(0, 4)).toEqual(["n1", "crypto", "CRYPTO", "OK"]);
  const changes = await rows("changes", "--node", "n1", "--kind", "added");
  expect(changes.map((row) => row[2])).toEqual(changes.map(() => "added"));
  expect(changes.some((row) => row[6]?.startsWith("NotReady; NoKernelDriver"))).toBe(true);
  const revisions = (await rows("changes", "--limit", "3")).map(([revision]) => Number(revision));
  expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
  expect(revisions).toHaveLength(3);
  expect((await rows("change", String(revisions[1])))[0]?.[0]).toBe(String(revisions[1]));
  const after = (await rows("changes", "--since", String(revisions[0]))).map(([revision]) => Number(revision));
  expect(after.slice(0, 2)).toEqual(revisions.slice(1));
  expect(await get("operations", "--status", "failed")).toMatchObject({
    code: 0,
    err: "sinew: no operation is like that\n",
  });
});

test("--watch into a pipe prints a line for each row that changes, over a restart of the conductor", async () => {
  const all = fleet.follow(["get", "hardware", "--node", "n1", "--watch"]);
  const unready = fleet.follow(["get", "hardware", "--ready", "false", "--node", "n1", "-w", "-o", "json"]);
  const json = () => lines(unready.out()).map((line) => JSON.parse(line));
  await until(() => lines(all.out()).length === 3 && unready.out().includes("\n"), 20_000);
  expect(json().map(({ pci }) => pci.address)).toEqual([GPU]);
  fleet.tree.bind(GPU, "nvidia");
  await until(() => lines(all.out()).length >= 4, 20_000);
  expect(lines(all.out()).at(-1)).toMatch(new RegExp(`${GPU} +Ready `));
  // One that is not asked for any more is told once more, as it is now; it comes back when it is again.
  await until(() => json().length === 2);
  expect(json()[1]).toMatchObject({ pci: { address: GPU }, acc_status: { ready: true } });
  await fleet.restartConductor();
  await until(() => all.err().includes("trying again"), 20_000);
  const before = lines(all.out()).length;
  fleet.tree.bind(GPU, "pci-stub");
  await until(
    () =>
      lines(all.out())
        .slice(before)
        .some((line) => line.includes("StubDriver")),
    60_000,
  );
  await until(() => json().length >= 3, 20_000);
  expect(json().at(-1)).toMatchObject({ pci: { address: GPU }, acc_status: { ready: false } });
  expect(lines(all.out()).filter((line) => line.startsWith("ID "))).toHaveLength(1);
  await all.stop();
  await unready.stop();
}, 120_000);

test("what is out of service is shown as that, itself or with its node, also where it is watched", async () => {
  const admin = (await fleet.type("token", "create", "--role", "admin", "--name", "ada")).out.trim();
  const patch = async (path: string, body: object) => {
    const headers = { authorization: `Bearer ${admin}`, "content-type": "application/merge-patch+json" };
    const url = `${fleet.conductor().url}${path}`;
    expect((await fetch(url, { method: "PATCH", headers, body: JSON.stringify(body) })).status).toBe(200);
  };
  const statuses = async (...args: string[]) =>
    (await rows("hardware", "--node", "n2", ...args)).map((row) => row[5]).toSorted();
  const [{ uuid = "" } = {}] = (await fleet.json("get", "hardware", "n2/6b:00.0")).hardware;
  const watching = fleet.follow(["get", "hardware", "--node", "n2", "--cordoned", "true", "--watch"]);
  const seen = () =>
    lines(watching.out())
      .slice(1)
      .map((row) => row.split(/ {2,}/)[5]);
  await patch(`/hardware/${uuid}`, { cordoned: { comment: "new firmware" } });
  await until(() => seen().length === 1, 20_000);
  expect(watching.out()).toContain("NotReady,Cordoned");
  expect(watching.out()).toMatch(/; Cordoned: by .*ada.*: new firmware$/m);
  expect(await statuses("--cordoned", "true")).toEqual(["NotReady,Cordoned"]);
  await patch("/nodes/n2", { cordoned: true, labels: { rack: "r7" } });
  await until(() => seen().length >= 4, 20_000);
  expect((await rows("hardware", "-l", "rack=r7")).map((row) => row[5]).toSorted()).toEqual(await statuses());
  expect((await rows("nodes", "--cordoned", "true")).map(([, name, status]) => [name, status])).toEqual([
    ["n2", "LIVE,Cordoned"],
  ]);
  await patch("/nodes/n2", { cordoned: null });
  await until(() => seen().slice(4).length >= 3, 20_000);
  expect(seen().slice(4).toSorted()).toEqual(["NotReady", "Ready", "Ready"]);
  await patch(`/hardware/${uuid}`, { cordoned: null });
  // In service again, what is wrong with it fires after its hold.
  await until(async () => (await get("alarms", "-l", "rack=r7")).out.includes(" n2 "));
  expect((await get("alarms", "-l", "rack=r7")).out).not.toContain(" n3 ");
  expect(await statuses("--cordoned", "false")).toEqual(["NotReady", "NotReady", "Ready", "Ready"]);
  expect((await rows("changes", "--node", "n2")).map((row) => row.at(-1))).toContainEqual(
    expect.stringMatching(/^in service again, by .*ada.* \(was Cordoned: by .*ada.*\)$/),
  );
  await watching.stop();
});

test("a node that leaves is why its devices are stale, and --watch says so; a log goes on line by line on a terminal", async () => {
  const hardware = fleet.follow(["get", "hardware", "n2/17:00.0", "--watch"]);
  const log = fleet.follow(["get", "changes", "--limit", "1", "--watch"], { cols: 300, rows: 5 });
  const nodes = fleet.follow(["get", "nodes", "n2", "-w", "--no-headers"]);
  await until(() => hardware.out() !== "" && log.out() !== "" && nodes.out() !== "", 20_000);
  await fleet.nodes.n2.stop("SIGTERM");
  await until(
    () => / Stale .*Stale: not heard since; source gpu is unreachable: node n2 is (LEFT|LOST)/.test(hardware.out()),
    20_000,
  );
  await until(() => /\b(Stale|LEFT|LOST)\b/.test(log.out()));
  expect(log.out()).not.toContain("\u001b[H");
  await until(() => / (LEFT|LOST) /.test(lines(nodes.out()).at(-1) ?? ""));
  for (const one of [hardware, log, nodes]) await one.stop();
  const [row] = await rows("hardware", "n2/17:00.0");
  expect(row?.at(-1)).toMatch(
    /^Stale: not heard since; source gpu is unreachable: node n2 is (LEFT|LOST) \(`sinew describe node n2`/,
  );
});

test("a terminal gets colours, unless NO_COLOR or a dumb one is set; without --watch what is long is broken there, and nothing cut off", async () => {
  const on = async (variables: Record<string, string>) => {
    const shown = fleet.follow(["get", "hardware", "n1/5e:00.0"], { cols: 40, rows: 3 }, variables);
    await shown.code();
    await until(() => shown.out().includes("NoKernelDriver") || shown.out().includes("StubDriver"));
    return shown.out();
  };
  expect(await on({})).toContain("\u001b[31mNotReady\u001b[39m");
  for (const [name, value] of [
    ["NO_COLOR", "1"],
    ["TERM", "dumb"],
  ] as const) {
    const out = await on({ [name]: value });
    expect(out).not.toContain("\u001b");
    const below = lines(out).filter((line) => line.startsWith("    "));
    expect(below.length).toBeGreaterThan(2);
    for (const line of below) expect(line.trimEnd().length).toBeLessThanOrEqual(40);
    const [row] = await rows("hardware", "n1/5e:00.0");
    expect(below.map((line) => line.trim()).join(" ")).toContain(row?.at(-1) ?? "?");
  }
});

test("--watch on a terminal draws the table in its place, no wider and no higher than that", async () => {
  const watching = fleet.follow(["get", "hardware", "--watch"], { cols: 70, rows: 5 });
  const screen = () => watching.out().split("\x1b[H").at(-1) ?? "";
  await until(() => screen().includes("... and 3 more"), 20_000);
  const plain = () => Bun.stripANSI(screen()).split(/\r?\n/);
  expect(plain()[0]).toMatch(/^ID +NODE +TYPE +NAME/);
  for (const line of plain()) expect(line.length).toBeLessThanOrEqual(70);
  expect(plain().length).toBeLessThanOrEqual(5);
  await watching.stop();
});
