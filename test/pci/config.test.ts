import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bytesSpace, parseHeader } from "../../src/pci/config/header.ts";

/** A config space of `size` bytes with dwords at the given offsets. */
function space(dwords: Record<number, number>, size = 256) {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  for (const [offset, value] of Object.entries(dwords)) view.setUint32(Number(offset), value, true);
  return bytesSpace(bytes);
}

describe("bytesSpace()", () => {
  test("reads little-endian dwords of a view into a larger buffer", () => {
    const bytes = new Uint8Array([9, 9, 9, 9, 0xde, 0x10, 0x1a, 0x2b]).subarray(4);
    expect(bytesSpace(bytes).u32(0)).toBe(0x2b1a10de);
  });

  test("refuses offsets outside, unaligned or not whole", () => {
    for (const offset of [-4, 2, 8, 1.5, Number.NaN]) {
      expect(() => bytesSpace(new Uint8Array(8)).u32(offset)).toThrow(RangeError);
    }
  });
});

describe("parseHeader()", () => {
  test("says what it expected when there are fewer than 64 bytes", () => {
    expect(() => parseHeader(bytesSpace(new Uint8Array(12)))).toThrow(
      new RangeError("a PCI header is 64 bytes, got 12"),
    );
  });

  test("reads an endpoint of several functions with its six BARs", () => {
    const header = parseHeader(
      space(
        {
          0: 0x2330_10de,
          8: 0x0302_00a1,
          12: 0x0080_0000,
          16: 0xfb00_0000, // 32 bits
          20: 0x0000_000c, // 64 bits, prefetchable, not assigned yet
          28: 0x0000_e001, // I/O
          36: 0x0000_000c, // 64 bits without a second half
          44: 0x16c1_10de,
        },
        64,
      ),
    );
    expect(header).toEqual({
      vendor_id: "10de",
      device_id: "2330",
      class: "030200",
      revision: "a1",
      header_type: 0,
      multifunction: true,
      subsystem_vendor_id: "10de",
      subsystem_device_id: "16c1",
      bars: [
        { index: 0, type: "mem32", prefetchable: false, size: null },
        { index: 1, type: "mem64", prefetchable: true, size: null },
        { index: 3, type: "io", prefetchable: false, size: null },
      ],
      bridge: null,
      capabilities_pointer: 0,
    });
  });

  test("reads a bridge's bus numbers, two BARs, and its subsystem from the SSVID capability", () => {
    const header = parseHeader(
      space({
        4: 0x0010_0000,
        12: 0x0001_0000,
        24: 0x0004_0201,
        52: 0x0000_0040,
        44: 0xffff_ffff, // prefetchable limit, no subsystem
        64: 0x0000_000d,
        68: 0xabcd_1028,
      }),
    );
    expect(header.bridge).toEqual({ primary: 1, secondary: 2, subordinate: 4 });
    expect(header.subsystem_vendor_id).toBe("1028");
    expect(header.subsystem_device_id).toBe("abcd");
    expect(header.bars).toEqual([]);
    expect(header.capabilities_pointer).toBe(0x40);
  });

  test("reads a CardBus bridge's subsystem at 40 and its list at 14", () => {
    const cardbus = { 4: 0x0010_0000, 12: 0x0002_0000, 20: 0xa0, 24: 0x0006_0503, 64: 0x5678_1234 };
    expect(parseHeader(space(cardbus))).toMatchObject({
      bridge: { primary: 3, secondary: 5, subordinate: 6 },
      subsystem_vendor_id: "1234",
      subsystem_device_id: "5678",
      capabilities_pointer: 0xa0,
      bars: [],
    });
    // 64 bytes end before it: absent, not wrong.
    expect(parseHeader(space({ 12: 0x0002_0000 }, 64)).subsystem_vendor_id).toBeNull();
  });

  test("reports a subsystem of zeros as null", () => {
    expect(parseHeader(space({ 0: 0x1237_8086 })).subsystem_vendor_id).toBeNull();
  });

  test("throws nothing but its RangeError, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        if (bytes.length < 64) expect(() => parseHeader(bytesSpace(bytes))).toThrow(RangeError);
        else expect(parseHeader(bytesSpace(bytes)).class).toMatch(/^[0-9a-f]{6}$/);
      }),
      { numRuns: 500 },
    );
  });
});
