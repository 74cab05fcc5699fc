import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseDump } from "../../src/pci/dump/dump.ts";

/** Config bytes as lspci prints them: `dwords` in `size` bytes. */
function hexDump(dwords: Record<number, number>, size = 64, fill = 0): string {
  const bytes = new Uint8Array(size).fill(fill);
  const view = new DataView(bytes.buffer);
  for (const [offset, value] of Object.entries(dwords)) view.setUint32(Number(offset), value, true);
  const lines: string[] = [];
  for (let at = 0; at < size; at += 16) {
    const row = Array.from(bytes.subarray(at, at + 16), (byte) => byte.toString(16).padStart(2, "0"));
    lines.push(`${at.toString(16).padStart(2, "0")}: ${row.join(" ")}`);
  }
  return `${lines.join("\n")}\n`;
}

const GPU = { 0: 0x2330_10de, 8: 0x0302_00a1, 44: 0x16c1_10de };

describe("parseDump()", () => {
  test("reads a function without a domain, and says what a dump can't show", () => {
    const { functions, problems } = parseDump(`3b:00.0 3D controller: NVIDIA GH100\n${hexDump(GPU)}\n`);
    expect(problems).toEqual([]);
    expect(functions).toEqual([
      {
        address: "0000:3b:00.0",
        path: "0000:3b/00.0",
        parent: null,
        slot: null,
        label: null,
        vendor_id: "10de",
        device_id: "2330",
        subsystem_vendor_id: "10de",
        subsystem_device_id: "16c1",
        class: "030200",
        revision: "a1",
        kernel_driver: null,
        numa_node: null,
        iommu_group: null,
        link: null,
        pf_ids: null,
        sriov: null,
        bars: [],
        serials: [],
        hops: null,
        aer: null,
        driver_override: null,
        iommu: null,
        attributes: {},
        algorithms: null,
        response: "responding",
        driverObservable: false,
        problems: [],
      },
    ]);
  });

  test("reads what -v writes between the device and its bytes", () => {
    const verbose = [
      "\tSubsystem: NVIDIA Corporation Device [10de:16c1]",
      "\tPhysical Slot: 4-1",
      "\tNUMA node: 1",
      "\tIOMMU group: 42",
      "\tKernel driver in use: vfio-pci",
      "\tKernel modules: nouveau",
    ].join("\n");
    const [fn] = parseDump(`3b:00.0 3D controller [0302]: X [10de:2330]\n${verbose}\n${hexDump(GPU)}`).functions;
    expect(fn).toMatchObject({
      kernel_driver: "vfio-pci",
      driverObservable: true,
      slot: "4-1",
      numa_node: 1,
      iommu_group: 42,
    });
  });

  test("reads domains of 4 to 8 digits, CRLF, all lengths and trailing junk", () => {
    const text = [64, 256, 4096, 96]
      .map((size, i) => `${["0000", "10000", "ffffffff", "00000001"][i]}:00:1f.7 X\n${hexDump(GPU, size)}\n`)
      .join("");
    const { functions, problems } = parseDump(`$ lspci\n${text}-- \nBest regards\n`.replaceAll("\n", "\r\n"));
    expect(problems).toEqual([]);
    expect(functions.map(({ address }) => address)).toEqual([
      "0000:00:1f.7",
      "10000:00:1f.7",
      "ffffffff:00:1f.7",
      "0001:00:1f.7",
    ]);
  });

  test("reports a header of all ones as silent, with the ids that -nn knows", () => {
    const title = "3b:00.0 3D controller [0302]: NVIDIA Corporation GH100 [10de:2330] (rev ff)";
    const [fn] = parseDump(`${title}\n${hexDump({}, 256, 0xff)}`).functions;
    expect(fn).toMatchObject({ response: "silent", vendor_id: "10de", device_id: "2330", class: "030200" });
    expect(fn?.problems.map(({ reason }) => reason)).toEqual(["AllOnes"]);
  });

  test("reads a VF, whose id registers are all ones, as responding and by its written ids", () => {
    const vf = { 0: 0xffff_ffff, 8: 0x0b40_0001, 44: 0x0000_8086 };
    const [fn] = parseDump(`6b:00.1 0b40: 8086:4941 (rev 01)\n${hexDump(vf)}`).functions;
    expect(fn).toMatchObject({ response: "responding", vendor_id: "8086", device_id: "4941", class: "0b4000" });
  });

  test("keeps a function cut off after its ids, with a problem", () => {
    const [fn] = parseDump(`3b:00.0 X\n${hexDump({ 0: GPU[0x00], 8: GPU[0x08] }, 16)}`).functions;
    expect(fn).toMatchObject({ vendor_id: "10de", class: "030200", subsystem_vendor_id: null });
    expect(fn?.problems).toEqual([{ reason: "ConfigTruncated", message: "expected 64 bytes of PCI header, found 16" }]);
  });

  test("reports a capability list that loops", () => {
    const looping = { ...GPU, 4: 0x0010_0000, 52: 0x40, 64: 0x4001 };
    const [fn] = parseDump(`3b:00.0 X\n${hexDump(looping, 256)}`).functions;
    expect(fn?.problems).toEqual([{ reason: "BadCapabilities", message: "the capability list loops back to 0x40" }]);
  });

  test("names the line of what it can't use, and keeps the rest", () => {
    const text = `00:01.0 no bytes\n3b:00.0 X\n${hexDump(GPU)}20: 00\n3b:00.0 again\n${hexDump(GPU)}`;
    const { functions, problems } = parseDump(text);
    expect(functions).toHaveLength(1);
    expect(problems.map(({ line }) => line)).toEqual([1, 7, 8]);
    expect(problems[2]?.message).toBe("0000:3b:00.0 is listed twice; the first is kept");
  });

  test("says what it expected when the text has no function", () => {
    expect(() => parseDump("hello\nworld\n")).toThrow(
      'expected the output of lspci -x, -xxx or -xxxx, found no line such as "00:02.0 ..." among 2',
    );
    expect(() => parseDump("00:02.0 VGA compatible controller: Intel\n")).toThrow(/found 1 device lines and no usable/);
    expect(() => parseDump("")).toThrow(Error);
  });

  test("reads no more than 65,536 functions, and says so", () => {
    const bytes = "00: de 10 30 23 00 00 00 00 a1 00 02 03\n";
    const all: string[] = [];
    for (let i = 0; i < 65_537; i++) {
      const bus = ((i >> 8) & 0xff).toString(16).padStart(2, "0");
      const device = ((i >> 3) & 0x1f).toString(16).padStart(2, "0");
      all.push(`${(i >> 16).toString(16).padStart(4, "0")}:${bus}:${device}.${i & 7} X\n${bytes}`);
    }
    const { functions, problems } = parseDump(all.join(""));
    expect(functions).toHaveLength(65_536);
    expect(problems.at(-1)?.message).toContain("at most 65536 functions");
  });

  test("refuses text over 64 MiB and survives a line of 60 MiB", () => {
    expect(() => parseDump("x".repeat(64 * 1024 * 1024 + 1))).toThrow(/at most 67108864 characters/);
    expect(() => parseDump(`00: ${"00 ".repeat(20 * 1024 * 1024)}`)).toThrow(/no line such as/);
    expect(() => parseDump("\n".repeat(8 * 1024 * 1024))).toThrow(/no line such as/);
  });

  test("throws nothing but its one Error, whatever the text", () => {
    const line = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.stringMatching(/^[0-9a-f]{0,8}:?[0-9a-f]{2}:[01][0-9a-f]\.[0-8] ?.{0,20}$/),
      fc.stringMatching(/^[0-9a-f]{2,3}:( [0-9a-f]{2}){0,18}.{0,3}$/),
      fc.constant(`00:00.0 X\n${hexDump(GPU)}`),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 40 }), fc.constantFrom("\n", "\r\n"), (lines, end) => {
        try {
          expect(parseDump(lines.join(end)).functions.length).toBeGreaterThan(0);
        } catch (error) {
          expect(String(error)).toStartWith("Error: expected the output of lspci");
        }
      }),
      { numRuns: 500 },
    );
  });
});
