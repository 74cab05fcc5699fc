import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { writeTree } from "../../src/cli/host/tree.ts";
import { readTree } from "../../src/cli/snapshot/read.ts";
import { NIL_UUID } from "../../src/pci/identity.ts";
import { scrub } from "../../src/pci/snapshot/scrub.ts";
import { parseSnapshot, type Snapshot, type SnapshotFunction } from "../../src/pci/snapshot/snapshot.ts";
import { scanPci } from "../../src/pci/sysfs/scan.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sinew-snapshot-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const about = {
  taken_at: "2026-11-23T01:02:03Z",
  host: { node_id: NIL_UUID, node_name: "edge-7", kernel: "6.1.0-26-amd64" },
};

const DSN = { "104": "0025388c", "108": "31500a2b" };
const HEADER = Object.fromEntries(
  Array.from({ length: 16 }, (_, i) => [(4 * i).toString(16).padStart(3, "0"), "00000000"]),
);
const EXPRESS = {
  ...HEADER,
  "000": "de103023",
  "004": "00001000",
  "008": "a1000203",
  "034": "40000000",
  "040": "10000200",
  "04c": "05010000",
  "050": "00008310",
  "100": "03000100",
};

function gpu(address: string, device: string, more: Partial<SnapshotFunction> = {}): SnapshotFunction {
  return {
    device: `${device}/${address}`,
    attributes: {
      class: "0x030200\n",
      device: "0x2330\n",
      numa_node: "1\n",
      "power/runtime_status": "active\n",
      revision: "0xa1\n",
      vendor: "0x10de\n",
    },
    links: { driver: "bus/pci/drivers/vfio-pci", iommu_group: "kernel/iommu_groups/42" },
    config: { size: 4096, dwords: { ...EXPRESS, ...DSN } },
    unreadable: {},
    ...more,
  };
}

const snapshot = (functions: Record<string, SnapshotFunction>): Snapshot => ({
  sinew_snapshot: 1,
  ...about,
  functions,
  bad_names: ["not-an-address"],
  drivers: true,
  slots: { "4-1": "0000:3b:00" },
  driver_versions: { "vfio-pci": "0.2\n" },
  iommu: { groups: true, tables: ["DMAR", "FACP"] },
});
const one = snapshot({ "0000:3b:00.0": gpu("0000:3b:00.0", "devices/pci0000:3a/0000:3a:00.0") });

/** A copy of `value` with one place replaced. */
function changed(value: Snapshot, change: (fn: SnapshotFunction, all: Snapshot) => void): string {
  const copy: Snapshot = structuredClone(value);
  const fn = copy.functions["0000:3b:00.0"];
  if (fn) change(fn, copy);
  return JSON.stringify(copy);
}

describe("writeTree()", () => {
  test("makes a tree that scans as the host did: place, slot, driver, link, serial", () => {
    writeTree(one, directory);
    const { functions, problems } = scanPci({ sysfs: directory });
    expect(functions).toHaveLength(1);
    expect(functions[0]).toMatchObject({
      address: "0000:3b:00.0",
      path: "0000:3a/00.0/00.0",
      slot: "4-1",
      kernel_driver: "vfio-pci",
      iommu_group: 42,
      numa_node: 1,
      link: { speed_gts: 8, width: 8, max_speed_gts: 32, max_width: 16 },
      serials: [{ kind: "dsn", value: "2b-0a-50-31-8c-38-25-00" }],
    });
    expect(problems.map(({ name }) => name)).toEqual(["not-an-address"]);
  });

  test("refuses a directory that is not empty", () => {
    writeFileSync(join(directory, "x"), "");
    expect(() => writeTree(one, directory)).toThrow(/is not empty/);
  });

  test("refuses a function that sits behind another's link, and writes nothing outside", () => {
    const root = join(directory, "root");
    const hostile = snapshot({
      "0000:01:00.0": gpu("0000:01:00.0", "devices/a/b/c", { links: { driver: "x" } }),
      "0000:02:00.0": gpu("0000:02:00.0", "devices/a/b/c/0000:01:00.0/driver", { links: { driver: "y" } }),
    });
    expect(() => writeTree(parseSnapshot(JSON.stringify(hostile)), root)).toThrow(/fit into one tree/);
    expect(readdirSync(directory)).toEqual(["root"]);
  });
});

describe("readTree()", () => {
  test("reads back what writeTree() wrote", () => {
    writeTree(one, directory);
    expect(readTree(directory, about)).toEqual(one);
  });

  test("survives JSON", () => {
    writeTree(one, directory);
    expect(parseSnapshot(JSON.stringify(readTree(directory, about)))).toEqual(one);
  });

  test("keeps that the kernel withheld config space from an unprivileged recorder, over replays", () => {
    const bare = snapshot({
      "0000:3b:00.0": gpu("0000:3b:00.0", "devices/pci0000:3a", {
        config: { size: 64, dwords: HEADER, withheld_of: 4096 },
      }),
    });
    writeTree(parseSnapshot(JSON.stringify(bare)), directory);
    expect(scanPci({ sysfs: directory }).functions[0]?.problems).toMatchObject([{ reason: "Unprivileged" }]);
    expect(readTree(directory, about)).toEqual(bare);
    expect(scrub(bare).functions["0000:3b:00.0"]?.config).toMatchObject({ size: 64, withheld_of: 4096 });
  });

  test("does not open config space or link attributes of a sleeping function", () => {
    const asleep = gpu("0000:3b:00.0", "devices/pci0000:3a", {});
    asleep.attributes["power/runtime_status"] = "suspended\n";
    asleep.attributes.current_link_speed = "2.5 GT/s PCIe\n";
    writeTree(snapshot({ "0000:3b:00.0": asleep }), directory);
    const fn = readTree(directory, about).functions["0000:3b:00.0"];
    expect(fn?.config).toBeNull();
    expect(fn?.attributes.current_link_speed).toBeUndefined();
    expect(fn?.attributes.vendor).toBe("0x10de\n");
  });

  test("leaves VPD and whatever is not listed alone, and links out of the tree as unreadable", () => {
    const place = join(directory, "bus/pci/devices/0000:01:00.0");
    mkdirSync(place, { recursive: true });
    for (const name of ["vpd", "rom", "resource0", "secret"]) writeFileSync(join(place, name), "x");
    symlinkSync("/etc", join(place, "driver"));
    const fn = readTree(directory, about).functions["0000:01:00.0"];
    expect(fn?.attributes).toEqual({});
    expect(fn?.links).toEqual({});
    expect(fn?.unreadable).toEqual({ driver: "EXDEV" });
  });

  test.skipIf(!existsSync("/sys/bus/pci/devices"))("gives a replay that scans as this host does", () => {
    const live = scanPci({ sysfs: "/sys" });
    writeTree(parseSnapshot(JSON.stringify(readTree("/sys", about))), directory);
    expect(scanPci({ sysfs: directory })).toEqual(live);
  });
});

describe("parseSnapshot()", () => {
  const refused: [string, string, RegExp][] = [
    ["text", "hello", /expected a snapshot in JSON/],
    ["another version", JSON.stringify({ ...one, sinew_snapshot: 2 }), /sinew_snapshot: expected 1.*found 2/],
    ["a path with ..", changed(one, (fn) => (fn.device = "devices/../../x/0000:3b:00.0")), /device: expected/],
    ["an absolute link", changed(one, (fn) => (fn.links.driver = "/etc/passwd")), /links\["driver"\]/],
    ["a link with ..", changed(one, (fn) => (fn.links.driver = "../../../../etc")), /links\["driver"\]/],
    ["an unknown attribute", changed(one, (fn) => (fn.attributes["../x"] = "")), /attributes: expected known names/],
    ["VPD", changed(one, (fn) => (fn.attributes.vpd = "")), /known names only, found "vpd"/],
    ["a long attribute", changed(one, (fn) => (fn.attributes.label = "x".repeat(4097))), /attributes\["label"\]/],
    ["a huge config", changed(one, (fn) => (fn.config = { size: 1e9, dwords: {} })), /config.size: expected 0 to 4096/],
    [
      "a size withheld that is none",
      changed(one, (fn) => (fn.config = { size: 64, dwords: {}, withheld_of: 64 })),
      /withheld_of: expected more/,
    ],
    ["a dword beyond", changed(one, (fn) => (fn.config = { size: 64, dwords: DSN })), /expected an offset below 64/],
    ["a slot named ..", changed(one, (_, all) => (all.slots[".."] = "0000:00:00")), /slots: expected known names/],
    ["no PCI address", JSON.stringify({ ...one, functions: { "../../x": {} } }), /functions: expected known names/],
  ];
  for (const [what, text, message] of refused) {
    test(`refuses ${what}`, () => expect(() => parseSnapshot(text)).toThrow(message));
  }

  test("throws nothing but Error, whatever the JSON", () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (functions, host) => {
        const text = `{"sinew_snapshot":1,"taken_at":"2026-11-23T01:02:03Z","host":${host},"functions":${functions}}`;
        expect(() => parseSnapshot(text)).toThrow(/^snapshot, /);
      }),
    );
  });
});

describe("scrub()", () => {
  const nvme = (serial: string) => ({ "nvme/nvme0/serial": serial, "nvme/nvme0/model": "X\n" });
  const three = snapshot({
    "0000:01:00.0": gpu("0000:01:00.0", "devices/pci0000:00", { attributes: nvme("S4EVNX0R7  \n") }),
    "0000:02:00.0": gpu("0000:02:00.0", "devices/pci0000:00", { attributes: nvme("S4EVNX0R7\n") }),
    "0000:03:00.0": gpu("0000:03:00.0", "devices/pci0000:00", {
      attributes: { ...nvme("\n"), unique_id: "d3a1b2c3d4e5f607\n" },
      config: { size: 4096, dwords: { ...EXPRESS, "104": "00000000", "108": "00000000", "0f0": "53455249" } },
    }),
  });
  const scrubbed = scrub({ ...three, host: { ...about.host, node_id: "2ed6657d-e927-568b-95e1-2665a8aea6a2" } });

  test("leaves no serial, no host name, kernel version or node id, and no register that decoding does not read", () => {
    const text = JSON.stringify(scrubbed);
    for (const secret of ["S4EVNX0R7", "0025388c", "31500a2b", "d3a1b2c3", "edge-7", "6.1.0", "2ed6657d", "53455249"]) {
      expect(text).not.toContain(secret);
    }
    expect(parseSnapshot(text)).toEqual(scrubbed);
  });

  test("keeps equal serials equal, different ones different, and zeros zero", () => {
    writeTree(scrubbed, directory);
    const serials = scanPci({ sysfs: directory }).functions.map((fn) => fn.serials.find(({ kind }) => kind === "dsn"));
    expect(serials[0]?.value).toMatch(/^02-00-00-00-/);
    expect(serials[1]).toEqual(serials[0]);
    expect(serials[2]).toBeUndefined();
    const [a, b, c] = Object.values(scrubbed.functions).map(({ attributes }) => attributes["nvme/nvme0/serial"]);
    expect(a).toBe("SCRUBBED0001\n");
    expect(b).toBe("SCRUBBED0001\n");
    expect(c).toBe("\n");
    expect(scrubbed.functions["0000:03:00.0"]?.attributes.unique_id).toMatch(/^0{15}[1-9]\n$/);
  });

  test("changes nothing when done twice but the numbers of fakes", () => {
    expect(Object.keys(scrub(scrubbed).functions)).toEqual(Object.keys(three.functions));
    expect(scrub(scrubbed).functions["0000:01:00.0"]?.links).toEqual(three.functions["0000:01:00.0"]?.links);
  });
});

test("writeTree() makes relative links only", () => {
  writeTree(one, directory);
  expect(readlinkSync(join(directory, "bus/pci/devices/0000:3b:00.0"))).toBe(
    "../../../devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0",
  );
});
