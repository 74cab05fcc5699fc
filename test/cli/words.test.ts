import { expect, test } from "bun:test";
import { diskFinding } from "../../src/cli/doctor/state.ts";
import { hardware } from "../../src/cli/get/kinds/hardware.ts";
import { operations } from "../../src/cli/get/kinds/operations.ts";
import { sources } from "../../src/cli/get/kinds/sources.ts";
import { word } from "../../src/cli/get/words.ts";
import { labelsPatch } from "../../src/cli/life/label.ts";
import type { Conductor } from "../../src/cli/operator/conductor.ts";
import { nodeSeen } from "../../src/cli/wait/aim.ts";
import { NodePatch } from "../../src/contract/fleet/given.ts";
import type { FleetSource } from "../../src/contract/hardware.ts";
import type { Node } from "../../src/contract/node.ts";
import { cleanEnv, main, run } from "./run.ts";

/** A fleet of one device, of a driver of one's own: of a type and with a condition that only it says. */
const own = {
  uuid: "8e45beef-0000-4000-8000-000000000000",
  pci: null,
  node: { id: "1", name: "n1" },
  source: "own",
  freshness: "FRESH",
};
const conditions = [{ type: "FanTurns", status: "true" }];
const asked: string[] = [];
const conductor = {
  async ask(path: string) {
    asked.push(path);
    const { pathname, searchParams } = new URL(path, "http://any");
    if (pathname === "/operations") return { operations: [], revision: 1 };
    const type = searchParams.get("device_type");
    const uuid = searchParams.get("uuid") ?? "";
    const found = (type === null || type === "QUANTUM") && !searchParams.has("condition") && own.uuid.startsWith(uuid);
    return { hardware: found ? [{ ...own, acc_status: { conditions } }] : [], revision: 1 };
  },
} as unknown as Conductor;
const found = async (flags: object) => (await (await hardware.ask(conductor, { ...flags }, [])).list()).rows.length;

test("a word that is none of those known names its flag, these, and the one that is like it", () => {
  expect(() => word("--status", "LIFE", ["LIVE", "LOST"])).toThrow(
    '--status: expected LIVE, LOST, found "LIFE"; did you mean LIVE?',
  );
  expect(() => word("--status", "up", ["LIVE", "LOST"])).toThrow(/found "up"$/);
});

test("no device of a type or condition is said only where that is one of ours, or some device says it", async () => {
  expect(await found({ type: "gpu" })).toBe(0);
  expect(await found({ condition: "linkfull" })).toBe(0);
  expect(asked.at(-1)).toContain("condition=LinkFull");
  expect(await found({ type: "QUANTUM" })).toBe(1);
  // No device says that it is false, and that is good.
  expect(await found({ condition: "FanTurns" })).toBe(0);
  await expect(found({ type: "GPUU" })).rejects.toThrow(
    /^--type: no device has "GPUU"; known are GPU, FPGA, .*; did you mean GPU\?$/,
  );
  await expect(found({ condition: "FanTurn" })).rejects.toThrow(
    /^--condition: no device has "FanTurn"; known are Responding, .*FanTurns; did you mean FanTurns\?$/,
  );
  const kind = async (of: string) => (await operations.ask(conductor, { kind: of }, [])).list();
  expect((await kind("setup")).rows).toEqual([]);
  await expect(kind("discover")).rejects.toThrow(
    '--kind: no operation has "discover"; known are discovery, setup; did you mean discovery?',
  );
});

test("who waits for a condition that it has not is told which it has that is like it", () => {
  const node = { state: "LIVE", conditions: [{ type: "ClockInSync", status: "true" }] } as unknown as Node;
  expect(nodeSeen({ word: "condition", type: "ClockInSink", status: "true" }, node).now).toBe(
    "it has no condition ClockInSink; did you mean ClockInSync?; it is LIVE",
  );
});

test("the beginning of an id is asked for, and all are only where nothing has it", async () => {
  asked.length = 0;
  const by = async (id: string) => (await hardware.ask(conductor, {}, [id])).list();
  await expect(by("8e45a2ea")).rejects.toThrow('no device has the id or the name "8e45a2ea"');
  expect(asked.map((path) => new URL(path, "http://any").searchParams.get("uuid"))).toEqual(["8e45a2ea", null]);
  asked.length = 0;
  expect((await by("8e45BEEF")).rows).toHaveLength(1);
  expect(asked.map((path) => new URL(path, "http://any").searchParams.get("uuid"))).toEqual(["8e45beef"]);
});

test("a label's name that nobody could type again is refused, and can be taken back", () => {
  expect(() => labelsPatch(["bad label=x"])).toThrow("without white space and control characters");
  expect(labelsPatch(["rack=r 7", "bad label-"])).toEqual({ rack: "r 7", "bad label": null });
  const parses = (labels: object) => NodePatch.safeParse({ labels }).success;
  expect([parses({ "bad label": "x" }), parses({ "a\tb": "x" }), parses({ "a\u202eb": "x" })]).toEqual([
    ...[false, false, false],
  ]);
  expect([parses({ rack: "r 7" }), parses({ "bad label": null })]).toEqual([true, true]);
});

test("a disk without room for a write is a failure, and one with little a warning", () => {
  expect([0, 15, 16, 255, 256].map((free) => diskFinding("/s", free).status).join(" ")).toBe(
    "failed failed warning warning ok",
  );
});

test("a vendor may be said as lspci and sysfs say it", async () => {
  await found({ vendor: "0x10DE" });
  expect(asked.at(-1)).toContain("vendor_id=10de");
});

test("help of a command that is none says so, with the one that is like it", async () => {
  const { code, err } = await run(["help", "gett"], cleanEnv("/nonexistent"));
  expect({ code, err }).toEqual({ code: 2, err: 'sinew: there is no command "gett"; did you mean get?\n' });
});

test.skipIf(process.platform !== "linux")(
  "output that cannot be written is said in a line, and is no bug",
  async () => {
    const child = Bun.spawn(["sh", "-c", '"$0" "$1" context list > /dev/full', process.execPath, main], {
      env: cleanEnv("/nonexistent"),
      stderr: "pipe",
    });
    const err = await new Response(child.stderr).text();
    expect({ code: await child.exited, err }).toEqual({
      ...{ code: 1, err: "sinew: cannot write the output: no space left on device (ENOSPC)\n" },
    });
  },
);

test("what is to be done about a source of a node that is away is what its node says", () => {
  const reason = (message: string) =>
    sources.columns
      .find(({ heading }) => heading === "REASON")
      ?.of({ name: "gpu", node: { id: "1", name: "n1" }, error: { code: "unreachable", message } } as FleetSource, {
        now: 0,
      });
  expect(reason("node n1 is LEFT")).toBe("unreachable: node n1 is LEFT (start its agent again, if it is to be here)");
  expect(reason("node n1 is LOST")).toContain("whether the machine runs");
  expect(reason("connection refused")).toContain("read the log of gpu on n1");
});
