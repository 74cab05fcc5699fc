import { expect, test } from "bun:test";
import { Exit } from "../../../src/cli/exit.ts";
import type { Conductor } from "../../../src/cli/operator/conductor.ts";
import { measured } from "../../../src/cli/top/hardware.ts";
import { lines } from "../../cli/run.ts";
import { type Fleet, QAT, useFleet } from "../../support/fleet.ts";
import { until } from "../../support/process.ts";

let fleet: Fleet;
const cells = (row: string) => row.split(/ {2,}/);

useFleet((begun) => {
  fleet = begun;
});

test("devices are shown with what is measured of them, what is not well first, and - for what is not measured", async () => {
  fleet.tree.setAttribute(QAT, "hwmon/hwmon0/temp1_input", "48500\n");
  fleet.tree.setAttribute(QAT, "hwmon/hwmon0/power1_input", "31250000\n");
  fleet.tree.setAer(QAT, { correctable: { RxErr: 3 } });
  const { code, out } = await fleet.type("top", "hardware", "--node", "n1");
  expect(code).toBe(0);
  const [head = "", first = "", second = ""] = lines(out);
  const headings = cells(head);
  expect(headings.slice(5)).toEqual(["STATUS", "TEMP", "POWER", "UTIL", "MEMORY", "ERRORS", "REASON"]);
  expect(cells(first).slice(5)).toMatchObject({ 0: "NotReady", 1: "-", 2: "-" });
  expect(cells(second).slice(5)).toEqual(["Ready", "49C", "31.3W", "-", "-", "3", "-"]);
  const { hardware } = JSON.parse((await fleet.type("top", "hw", "--node", "n1", "-o", "json")).out);
  expect(hardware[1].telemetry.measurements).toContainEqual(
    expect.objectContaining({ name: "power_watts", value: 31.25 }),
  );
});

test("no more are measured than --limit says, and that is said", async () => {
  const few = await fleet.type("top", "hardware", "--limit", "2");
  expect(lines(few.out)).toHaveLength(3);
  expect(few.err).toContain("4 more are not measured");
  expect(await fleet.type("top", "hardware", "--limit", "none")).toMatchObject({ code: 2 });
});

test("measured() keeps those that answer where one does not, and asks no more than eight at once", async () => {
  const { hardware } = await fleet.json("get", "hardware");
  const devices = Array.from({ length: 30 }, (_, at) => ({
    hardware: { ...hardware[0], uuid: String(at) },
    failed: null,
  }));
  let now = 0;
  let most = 0;
  const ask = async (path: string) => {
    most = Math.max(most, ++now);
    await Bun.sleep(1);
    now -= 1;
    if (path.includes("/7/")) throw new Exit(1, "it is away");
    return { measurements: [] };
  };
  const found = await measured({ ask } as unknown as Conductor, devices);
  expect(most).toBe(8);
  expect(found.filter(({ telemetry }) => telemetry && "found" in telemetry)).toHaveLength(29);
  expect(found.find(({ telemetry }) => telemetry && "why" in telemetry)).toMatchObject({
    device: { hardware: { uuid: "7" } },
    telemetry: { why: "it is away" },
  });
});

test("nodes are shown with how much of them is ready and how many alarms fire", async () => {
  await until(async () => (await fleet.type("alarms")).out.includes("hardware.unhealthy"));
  const { out } = await fleet.type("top", "nodes");
  const [head = "", ...rows] = lines(out).map(cells);
  expect(head.slice(4, 10)).toEqual(["ALARMS", "DEVICES", "READY", "NOT READY", "STALE", "GONE"]);
  const n1 = rows.find(([, name]) => name === "n1");
  expect(n1?.slice(4, 10)).toEqual(["0", "2", "1", "1", "0", "0"]);
  const alarm = "1 alarm: hardware.unhealthy";
  expect(rows.find(([, name]) => name === "n2")?.slice(4)).toEqual(["1", "4", "2", "2", "0", "0", alarm]);
  // A node that lives is not well for that: the list says it, too, and its description.
  expect((await fleet.type("get", "nodes", "n2")).out).toContain(`${alarm} (\`sinew alarms --node n2\`)`);
  expect((await fleet.type("describe", "node", "n2")).out).toMatch(new RegExp(`^Why: +${alarm}$`, "m"));
  expect(rows.at(-1)?.[1]).toBe("n1");
});

test("on a terminal it is drawn again and again, no higher than that", async () => {
  const watching = fleet.follow(["top", "nodes", "--every", "1s"], { cols: 60, rows: 3 });
  const screens = () => watching.out().split("\u001b[H").slice(1);
  await until(() => screens().length >= 3, 20_000);
  expect(Bun.stripANSI(screens()[0] ?? "")).toContain("... and 2 more");
  for (const screen of screens()) expect(Bun.stripANSI(screen).trimEnd().split("\n").length).toBeLessThanOrEqual(3);
  await watching.stop();
});
