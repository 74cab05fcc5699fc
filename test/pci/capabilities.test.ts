import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  capabilities,
  deviceSerialNumber,
  extendedCapabilities,
  pcieLink,
  sriovCapability,
} from "../../src/pci/config/capabilities.ts";
import { bytesSpace } from "../../src/pci/config/header.ts";
import type { ConfigSpace } from "../../src/pci/config/space.ts";

const LIST = { 4: 0x0010_0000, 52: 0x40 };
/** A PCI Express endpoint: speed 5 (32 GT/s) and x16 possible, speed 3 and x8 now. */
const EXPRESS = { ...LIST, 64: 0x0002_0010, 76: 0x0000_0105, 80: 0x1083_0000 };

function space(dwords: Record<number, number>, size = 4096): ConfigSpace & { reads: number[] } {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  for (const [offset, value] of Object.entries(dwords)) {
    if (Number(offset) + 4 <= size) view.setUint32(Number(offset), value, true);
  }
  const inner = bytesSpace(bytes);
  const reads: number[] = [];
  return {
    size,
    reads,
    u32(offset) {
      reads.push(offset);
      return inner.u32(offset);
    },
  };
}

describe("capabilities()", () => {
  test("follows pointers with their reserved bits masked", () => {
    const list = capabilities(space({ ...LIST, 52: 0x43, 64: 0x5301, 80: 0x0005 }));
    expect(list.entries.map(({ id, offset }) => [id, offset])).toEqual([
      [0x01, 0x40],
      [0x05, 0x50],
    ]);
    expect(list.bad).toBeNull();
  });

  test("reads no pointer when the status register says there is no list", () => {
    expect(capabilities(space({ 52: 0x40, 64: 0x0001 })).entries).toEqual([]);
  });

  test("stops at a loop, and says so", () => {
    const list = capabilities(space({ ...LIST, 64: 0x5001, 80: 0x4005 }));
    expect(list.entries).toHaveLength(2);
    expect(list.bad).toBe("the capability list loops back to 0x40");
  });

  test("stops at a pointer into the header, and says so", () => {
    expect(capabilities(space({ ...LIST, 52: 0x10 })).bad).toContain("0x10, inside the header");
  });

  test("stops at a capability that reads all ones, and says so", () => {
    expect(capabilities(space({ ...LIST, 64: 0xffff_ffff })).bad).toContain("has id 0xff");
  });

  test("calls a list beyond 64 unprivileged bytes truncated, not bad", () => {
    expect(capabilities(space(LIST, 64))).toEqual({ entries: [], bad: null, truncated: true });
  });

  test("finds none in a function that reads all ones", () => {
    const ones = bytesSpace(new Uint8Array(4096).fill(0xff));
    expect(capabilities(ones)).toEqual({ entries: [], bad: null, truncated: false });
  });
});

describe("extendedCapabilities()", () => {
  test("asks PCI Express functions only: elsewhere 0x100 can be an alias of the header", () => {
    const alias = space({ ...LIST, 64: 0x0001, 256: 0x7911_1002 });
    expect(extendedCapabilities(alias).entries).toEqual([]);
    expect(alias.reads).not.toContain(0x100);
  });

  test("keeps a null capability in the middle and stops at zeros", () => {
    const list = extendedCapabilities(space({ ...EXPRESS, 256: 0x1101_0001, 272: 0x2001_0000 }));
    expect(list.entries.map(({ id, offset, version }) => [id, offset, version])).toEqual([
      [1, 0x100, 1],
      [0, 0x110, 1],
    ]);
    expect(list.bad).toBeNull();
  });

  test("says when the list loops, leads below 0x100 or reads all ones", () => {
    expect(extendedCapabilities(space({ ...EXPRESS, 256: 0x1001_0001 })).bad).toContain("loops back to 0x100");
    expect(extendedCapabilities(space({ ...EXPRESS, 256: 0x0401_0001 })).bad).toContain("below 0x100");
    expect(extendedCapabilities(space({ ...EXPRESS, 256: 0x2001_0001, 512: 0xffff_ffff })).bad).toContain("ones");
  });

  test("finds none in 256 bytes", () => {
    expect(extendedCapabilities(space(EXPRESS, 256))).toEqual({ entries: [], bad: null, truncated: false });
  });
});

describe("pcieLink()", () => {
  test("reads what the link can do and what it does", () => {
    expect(pcieLink(space(EXPRESS))).toEqual({ speed_gts: 8, width: 8, max_speed_gts: 32, max_width: 16 });
  });

  test("knows every speed to 64 GT/s, and none beyond", () => {
    const speeds = [0, 1, 2, 3, 4, 5, 6, 7, 15].map(
      (code) => pcieLink(space({ ...EXPRESS, 76: 0x10 | code }))?.max_speed_gts,
    );
    expect(speeds).toEqual([null, 2.5, 5, 8, 16, 32, 64, null, null]);
  });

  test("reports the width of a link that is down as null", () => {
    expect(pcieLink(space({ ...EXPRESS, 80: 0x0001_0000 }))).toMatchObject({ speed_gts: 2.5, width: null });
  });

  test("is null for root complex integrated endpoints, and for registers of zeros", () => {
    expect(pcieLink(space({ ...EXPRESS, 64: 0x0092_0010 }))).toBeNull();
    expect(pcieLink(space({ ...EXPRESS, 76: 0, 80: 0 }))).toBeNull();
  });

  test("is null without the capability or with one cut off by the space's end", () => {
    expect(pcieLink(space({}))).toBeNull();
    expect(pcieLink(space({ ...LIST, 52: 0xfc, 252: 0x0002_0010 }, 256))).toBeNull();
  });

  test("reads a handful of dwords: each one is a trap in a VM", () => {
    const live = space(EXPRESS);
    pcieLink(live);
    expect(live.reads).toEqual([0x04, 0x0c, 0x34, 0x40, 0x40, 0x4c, 0x50]);
  });
});

describe("sriovCapability()", () => {
  const PF = { ...EXPRESS, 256: 0x0001_0010, 264: 1, 268: 0x0040_0040, 272: 8 };

  test("counts the VFs a PF can have and has", () => {
    expect(sriovCapability(space(PF))).toEqual({ total: 64, enabled: 8 });
  });

  test("counts none while VF Enable is clear, whatever NumVFs still holds", () => {
    expect(sriovCapability(space({ ...PF, 264: 0 }))).toEqual({ total: 64, enabled: 0 });
  });

  test("is null without the capability", () => {
    expect(sriovCapability(space(EXPRESS))).toBeNull();
  });
});

describe("deviceSerialNumber()", () => {
  const withSerial = (lower: number, upper: number) =>
    deviceSerialNumber(space({ ...EXPRESS, 256: 0x0001_0003, 260: lower, 264: upper }));

  test("prints a serial as lspci does", () => {
    expect(withSerial(0x8c38_2500, 0x2b0a_5031)).toBe("2b-0a-50-31-8c-38-25-00");
  });

  test("is null for all zeros and all ones, which many cards share", () => {
    expect(withSerial(0, 0)).toBeNull();
    expect(withSerial(0xffff_ffff, 0xffff_ffff)).toBeNull();
  });
});

describe("the capability decoders", () => {
  test("never throw and read within the space, whatever the bytes and the size", () => {
    // Random bytes seldom have a list, so most runs are pushed into the walks.
    const bytes = fc.tuple(fc.uint8Array({ maxLength: 4096, size: "max" }), fc.boolean()).map(([data, push]) => {
      if (push && data.length > 0x108) {
        data[0x06] = 0x10;
        data[0x34] = 0x40;
        data[0x40] = 0x10;
      }
      return data;
    });
    fc.assert(
      fc.property(bytes, (data) => {
        const config = bytesSpace(data);
        const list = capabilities(config);
        const extended = extendedCapabilities(config, list);
        expect(list.entries.length).toBeLessThanOrEqual(48);
        expect(extended.entries.length).toBeLessThanOrEqual(960);
        pcieLink(config);
        sriovCapability(config);
        deviceSerialNumber(config);
      }),
      { numRuns: 500 },
    );
  });
});
