import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { hardware, whyOf } from "../../src/cli/get/kinds/hardware.ts";
import { nodes } from "../../src/cli/get/kinds/nodes.ts";
import { bare, theOne } from "../../src/cli/get/select.ts";
import { screenful, sizeOf } from "../../src/cli/get/show.ts";
import { hasLabels, labelsOf } from "../../src/cli/get/words.ts";
import { difference } from "../../src/cli/history/difference.ts";
import type { Conductor } from "../../src/cli/operator/conductor.ts";
import { age, spanText } from "../../src/cli/show/age.ts";
import { durationMs } from "../../src/cli/show/duration.ts";
import { didYouMean } from "../../src/cli/show/near.ts";
import { type Section, sectionsText } from "../../src/cli/show/sections.ts";
import { wrapped } from "../../src/cli/show/wrap.ts";
import { yaml } from "../../src/cli/show/yaml.ts";
import { columns } from "../../src/cli/table.ts";
import { deviceSeen } from "../../src/cli/wait/aim.ts";
import type { Change } from "../../src/contract/change.ts";
import type { Hardware } from "../../src/contract/hardware.ts";

describe("age()", () => {
  test.each([
    [0, "0s"],
    [119, "119s"],
    [125, "2m5s"],
    [600, "10m"],
    [10_920, "3h2m"],
    [3600 * 26, "26h"],
    [86_400 * 3 + 7200, "3d2h"],
    [86_400 * 30, "30d"],
    [86_400 * 365 * 3, "3y"],
  ])("of %d seconds is said as kubectl does: %s", (seconds, said) => {
    expect(spanText(seconds * 1000)).toBe(said);
    const now = Date.UTC(2026, 0, 1);
    expect(age(new Date(now - seconds * 1000).toISOString(), now)).toBe(said);
  });

  test("of what never was is -, and of what a clock ahead has dated nothing below 0", () => {
    expect([age(null, 0), age(undefined, 0), age("tomorrow", 0)]).toEqual(["-", "-", "-"]);
    expect(age("2026-01-01T00:00:10Z", Date.UTC(2026, 0, 1))).toBe("0s");
  });
});

describe("yaml()", () => {
  test("is read back as what it was, whatever that is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(Bun.YAML.parse(yaml(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test("escapes whole characters, as half of one is none to YAML, and names a long key as YAML finds it", () => {
    const value = { a: "\u{e0041}\ufffe\uffff", ["k".repeat(2000)]: { b: ["\u{1d173}"] }, n: [1e21, 1.5e-7] };
    const text = yaml(value);
    expect(text).toMatch(/^a: "\\U000e0041\\ufffe\\uffff"\n\? "k{2000}"\n:\n {2}b:\n {2}- "\\U0001d173"\n/);
    expect(text).toContain("- 1.0e+21\n- 1.5e-7\n");
    expect(Bun.YAML.parse(text)).toEqual(value);
  });

  test("quotes what a reader of YAML 1.1 takes for a number or a boolean, and shows no control character", () => {
    expect(yaml({ address: "0000:00:02.0", id: "1533", y: "no", text: "a\u009b\u202eb" })).toBe(
      'address: "0000:00:02.0"\nid: "1533"\n"y": "no"\ntext: "a\\u009b\\u202eb"\n',
    );
  });
});

test("screenful() is no higher than its lines, however wide their characters are", () => {
  // Between these a terminal wraps nothing (DECAWM).
  expect(screenful(["電電", "b"])).toBe("\x1b[?7l\x1b[H電電\x1b[K\nb\x1b[K\x1b[J\x1b[?7h");
});

describe("columns()", () => {
  test("is as wide as what people read: a cell of one peer is no blanks in the rows of all others", () => {
    const long = "x".repeat(100_000);
    const rows = [["NAME", "WHY"], [long, "a"], ...Array.from({ length: 1_000 }, (_, at) => [`n${at}`, "b"])];
    const text = columns(rows);
    expect(text).toContain(`\n${long}  a\n`);
    expect(text).toContain("\nn0    b\n");
    expect(text.length).toBeLessThan(200_000);
  });

  test("cuts lines off at a width, and only there", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.string(), { minLength: 3, maxLength: 3 }), { minLength: 1 }),
        fc.nat(40),
        (rows, width) => {
          const whole = columns(rows).split("\n");
          const cut = columns(rows, { width }).split("\n");
          const ended = (line: string[]) =>
            line.length <= width ? line : [...line.slice(0, Math.max(0, width - 1)), width > 0 ? "…" : ""];
          expect(cut).toEqual(whole.map((line) => ended([...line]).join("")));
        },
      ),
    );
  });

  test("breaks the last column at the width of a terminal, between words, and loses none", () => {
    const rows = [
      ["ID", "REASON"],
      ["8ec83353", "NoKernelDriver: no kernel driver is bound"],
      ["b907dc7c", "-"],
    ];
    expect(columns(rows, { wrap: 36 })).toBe(
      "ID        REASON\n8ec83353  NoKernelDriver: no kernel\n          driver is bound\nb907dc7c  -\n",
    );
    // Where it has no room beside the others it stands below them.
    expect(columns(rows, { wrap: 24 })).toBe(
      "ID        REASON\n8ec83353\n    NoKernelDriver: no\n    kernel driver is\n    bound\nb907dc7c  -\n",
    );
    const word = fc.string({ minLength: 1 }).map((text) => text.replace(/\s/g, "x"));
    fc.assert(
      fc.property(fc.array(word), fc.integer({ min: 1, max: 80 }), (words, most) => {
        const lines = wrapped(words.join(" "), most);
        expect(Math.max(...lines.map((line) => [...line].length))).toBeLessThanOrEqual(most);
        expect(lines.join("").replaceAll(" ", "")).toBe(words.join(""));
      }),
    );
  });

  test("shortens what is widest where a terminal would break every line, and gives nothing to say no line", () => {
    const rows = [
      ["ID", "NAME", "STATUS", "REASON"],
      ["8ec83353", "NVMe SSD Controller PM9A1/PM9A3/980PRO", "Ready", "-"],
      ["b907dc7c", "4xxx Series QAT", "NotReady", "AllOnes"],
    ];
    expect(columns(rows, { wrap: 60 })).toBe(
      [
        "ID        NAME              STATUS    REASON",
        "8ec83353  NVMe SSD Contro…  Ready     -",
        "b907dc7c  4xxx Series QAT   NotReady  AllOnes",
        "",
      ].join("\n"),
    );
    expect(
      columns(rows, { wrap: 38 })
        .split("\n")
        .filter((line) => /^ *-$/.test(line)),
    ).toEqual([]);
    // A file has all of it, and so has a terminal that even that is no help to.
    expect(columns(rows)).toContain("980PRO");
    expect(columns(rows, { wrap: 30 })).toContain("980PRO");
  });

  test("aligns rows that come later with those before", () => {
    const widths: number[] = [];
    expect(
      columns(
        [
          ["A", "B"],
          ["long", "x"],
        ],
        { widths },
      ),
    ).toBe("A     B\nlong  x\n");
    expect(columns([["a", "y"]], { widths })).toBe("a     y\n");
  });
});

test("didYouMean() names words that are like the one found, and no others", () => {
  expect(didYouMean("rack7-gpu", ["rack7-gpu3", "rack1-gpu", "login"])).toBe("; did you mean rack1-gpu or rack7-gpu3?");
  expect(didYouMean("abc", ["xyz"])).toBe("");
});

test("theOne() is meant by a name, or the beginning of an id; by both of two rows neither is", () => {
  const rows = [
    { id: "abcd1111", name: "x" },
    { id: "0f0f2222", name: "abcd" },
    { id: "0f0f3333", name: "y" },
  ];
  const words = ({ id, name }: { id: string; name: string }) => ({ id, names: [name] });
  expect(theOne(rows, "y", "nodes", words).id).toBe("0f0f3333");
  expect(theOne(rows, "ABCD1", "nodes", words).name).toBe("x");
  expect(() => theOne(rows, "abcd", "nodes", words)).toThrow(
    '2 nodes have the id or the name "abcd": abcd1111 x, 0f0f2222 abcd; say more of the id',
  );
  expect(theOne(rows, "0f0f2222", "nodes", words).name).toBe("abcd");
  expect(() => theOne(rows, "0f0f", "nodes", words)).toThrow("2 nodes have the id or the name");
  for (const said of ["", "0f0", "zzzz", "__proto__"])
    expect(() => theOne(rows, said, "nodes", words)).toThrow("no node has");
  const devices = [
    { uuid: "abcd1111", node: "e1", address: "3b:00.0" },
    { uuid: "abcd2222", node: "e2", address: "3b:00.0" },
  ];
  const cards = ({ uuid, node, address }: (typeof devices)[number]) => ({
    ...{ id: uuid, names: [address, `${node}/${address}`], node },
  });
  expect(() => theOne(devices, "3b:00.0", "hardware", cards)).toThrow(
    '2 devices have the id or the name "3b:00.0": abcd1111 e1/3b:00.0, abcd2222 e2/3b:00.0; say NODE/ADDRESS',
  );
  expect(() => theOne(devices, "e1", "hardware", cards)).toThrow("`sinew get hardware --node e1` shows what it has");
});

test("a terminal that says that it is 0 x 0 is one of 24 x 80", () => {
  expect(sizeOf({ rows: 0, columns: 0 })).toEqual({ height: 24, width: 80 });
  expect(sizeOf({})).toEqual({ height: 24, width: 80 });
  expect(sizeOf({ rows: 5, columns: 200 })).toEqual({ height: 5, width: 200 });
});

test("bare() takes the kind away in each of its words, and nothing else", () => {
  for (const said of ["hardware/ab12", "hw/ab12", "devices/ab12"]) expect(bare(hardware)(said)).toBe("ab12");
  for (const said of ["n1/3b:00.0", "ab12", "node/n1", "/ab12"]) expect(bare(hardware)(said)).toBe(said);
  expect(bare(hardware)("hw/n1/3b:00.0")).toBe("n1/3b:00.0");
});

test("what is waited for says its status once", () => {
  const stale = {
    freshness: "STALE",
    source: "gpu",
    node: { name: "n1" },
    acc_status: { ready: true, conditions: [] },
  };
  const seen = deviceSeen({ word: "ready" }, stale as unknown as Hardware);
  expect(seen).toEqual({ met: false, now: "it is Stale: source gpu gives no good answer" });
  const { said } = whyOf({ hardware: stale as unknown as Hardware, failed: null });
  const error = { code: "timeout", message: "no answer" } as const;
  const failed = { ...{ name: "gpu", type: null, endpoint: null, status: "STALE" as const, count: 1 }, error };
  const at = "2026-01-01T00:00:00Z";
  const heard = whyOf({ hardware: stale as unknown as Hardware, failed: { ...failed, observed_at: at } });
  expect([heard.since, heard.said[0]?.text]).toEqual([at, "Stale: not heard since; source gpu is timeout: no answer"]);
  expect(said.map(({ action }) => action)).toEqual(["`sinew describe node n1` says more"]);
});

test("a list of nodes that is followed says what fires of one from the feed, without asking for the node", async () => {
  const node = { id: "a", name: "n1", state: "LIVE", labels: {} };
  const alarm = { id: "1", kind: "source.failed", state: "firing", node };
  const asked: string[] = [];
  const conductor = {
    ask: async (path: string) => {
      asked.push(path);
      return path.startsWith("/nodes") ? { nodes: [node], revision: 1 } : { alarms: [alarm], revision: 1 };
    },
  } as unknown as Conductor;
  const asking = await nodes.ask(conductor, {}, []);
  expect((await asking.list()).rows.map(({ alarms }) => alarms)).toEqual([["source.failed"]]);
  const change = (more: object) =>
    asking.touched({ kind: "alarm", node, uuid: null, alarm: { ...alarm, ...more } } as unknown as Change);
  const two = await change({ id: "2", kind: "hardware.unhealthy" });
  expect(two.rows.map(({ row: { alarms }, leaves }) => [alarms, leaves])).toEqual([
    [["hardware.unhealthy", "source.failed"], false],
  ]);
  expect((await change({ state: "resolved" })).rows.map(({ row: { alarms } }) => alarms)).toEqual([
    ["hardware.unhealthy"],
  ]);
  expect((await change({ id: "3", node: { id: "b", name: "n2" } })).rows).toEqual([]);
  expect((await change({ id: "4", node: null })).rows).toEqual([]);
  expect(asked).toHaveLength(2);
});

test("labels are read as they are asked for, whatever is in them", () => {
  expect(labelsOf("rack=r7,gpu,eq=a=b")).toEqual(["rack=r7", "gpu", "eq=a=b"]);
  expect(hasLabels({ rack: "r7", eq: "a=b" }, ["rack=r7", "eq=a=b", "rack"])).toBe(true);
  for (const wanted of ["rack=r", "gpu", "__proto__", "toString"])
    expect(hasLabels({ rack: "r7" }, [wanted])).toBe(false);
  for (const wrong of ["", ",", "a,", "=x"]) expect(() => labelsOf(wrong)).toThrow("-l: expected");
});

test("durationMs() takes seconds to days, and nothing else", () => {
  expect(["1s", "2m", "3h", "1d"].map((text) => durationMs("--for", text))).toEqual([1e3, 12e4, 108e5, 864e5]);
  for (const text of ["0s", "", "1", "1w", "-1s", "1e3s"])
    expect(() => durationMs("--for", text)).toThrow("--for: expected");
  expect(durationMs("--timeout", "0s", { least: 0 })).toBe(0);
});

test("difference() says what became different, and of equal reports nothing", () => {
  const condition = { type: "DriverBound", message: "m", action: null, since: "2026-01-01T00:00:00Z" };
  const before = {
    node: { id: "1", name: "n1" },
    freshness: "FRESH",
    serials: [],
    attributes: { firmware_version: "1" },
    acc_status: { ready: false, conditions: [{ ...condition, status: "false", reason: "NoKernelDriver" }] },
    pci: { address: "0000:3b:00.0", kernel_driver: null },
  } as unknown as Hardware;
  const now = {
    ...before,
    node: { id: "1", name: "r7-03" },
    attributes: { firmware_version: "2" },
    acc_status: { ready: true, conditions: [{ ...condition, status: "true", reason: "Bound" }] },
    pci: { address: "0000:3b:00.0", kernel_driver: "vfio-pci" },
  } as unknown as Hardware;
  expect(difference(before, before)).toEqual([]);
  expect(difference(before, now)).toEqual([
    "node n1 -> r7-03",
    "ready false -> true",
    "DriverBound is true: Bound",
    "kernel_driver none -> vfio-pci",
    "firmware_version 1 -> 2",
  ]);
});

test("sectionsText() leaves out what is not there, and lets nothing that hardware says move the cursor", () => {
  const text = sectionsText([
    {
      heading: "",
      fields: [
        ["Name", "a\u001b[2Jb"],
        ["Slot", null],
        ["a\u001b", "b"],
      ],
    },
    { heading: "Alarms\u001b", none: "none fires\u0007", rows: [["ID"]] },
    { heading: "Setup", line: "not known: \u202e" },
  ]);
  expect(text).toBe("Name:  a?[2Jb\na?:    b\n\nAlarms?:\n  none fires?\n\nSetup:\n  not known: ?\n");
  const why = [{ heading: "", fields: [["Why", "no kernel driver is bound to it"]] }] satisfies Section[];
  expect(sectionsText(why, 30)).toBe("Why:  no kernel driver is\n      bound to it\n");
});
