import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { scanPci } from "../../src/pci/sysfs/scan.ts";
import { compareWithLspci, hasLspci, lspci } from "../support/lspci.ts";
import { makeTree } from "../support/tree.ts";

const OWN = "/sys/bus/pci/devices";

describe.if(hasLspci)("scanPci() beside lspci -A linux-sysfs", () => {
  const tree = makeTree();
  afterAll(tree.close);

  const port = { vendor: "8086", device: "352a", class: "060400", driver: "pcieport" };
  tree.add({ address: "0000:00:01.0", secondary: 0x17, ...port });
  tree.add({ address: "0000:00:02.0", secondary: 0x6b, ...port });
  const link = { speed: 8, width: 8, maxSpeed: 32, maxWidth: 16 };
  const gpu = {
    vendor: "10de",
    device: "2331",
    class: "030200",
    revision: "a1",
    subsystem: "10de:1626",
    driver: "nvidia",
  };
  tree.add({
    address: "0000:17:00.0",
    parent: "0000:00:01.0",
    ...gpu,
    link,
    serial: "02-00-00-00-00-00-00-01",
    numaNode: 1,
  });
  const qat = {
    vendor: "8086",
    device: "4940",
    class: "0b4000",
    revision: "40",
    subsystem: "8086:0001",
    driver: "4xxx",
  };
  tree.add({ address: "0000:6b:00.0", parent: "0000:00:02.0", ...qat, sriov: { total: 16, enabled: 1 } });
  const vf = { vendor: "8086", device: "4941", class: "0b4000", physfn: { pf: "0000:6b:00.0", index: 0 } };
  tree.add({ address: "0000:6b:00.1", parent: "0000:00:02.0", ...vf });

  test("agrees field by field on ids, class, driver and NUMA of a tree of each kind of function", () => {
    const all = ["Class", "Vendor", "Device", "SVendor", "SDevice", "Rev", "Driver", "NUMANode"] as const;
    expect(compareWithLspci(tree.sysfs, [...all])).toBe(5);
  });

  test("agrees on links, serials and SR-IOV", () => {
    const text = lspci(tree.sysfs, "-n", "-vvv") ?? "";
    const blocks = new Map(text.split("\n\n").map((block) => [block.slice(0, 12), block]));
    let links = 0;
    for (const { address, link, serials, sriov } of scanPci({ sysfs: tree.sysfs }).functions) {
      const block = blocks.get(address) ?? "";
      const number = (pattern: RegExp) => Number(pattern.exec(block)?.[1] ?? Number.NaN);
      if (link) {
        links += 1;
        expect([address, link.speed_gts, link.width]).toEqual([
          address,
          number(/LnkSta:\tSpeed ([\d.]+)GT/),
          number(/LnkSta:.*Width x(\d+)/),
        ]);
        expect([link.max_speed_gts, link.max_width]).toEqual([
          number(/LnkCap:.*Speed ([\d.]+)GT/),
          number(/LnkCap:.*Width x(\d+)/),
        ]);
      }
      const serial = /Device Serial Number ([0-9a-f-]+)/.exec(block)?.[1];
      expect(serials.map(({ value }) => value)).toEqual(serial === undefined ? [] : [serial]);
      if (sriov && sriov.pf === null) {
        expect([sriov.total, sriov.enabled]).toEqual([number(/Total VFs: (\d+)/), number(/Number of VFs: (\d+)/)]);
      }
    }
    expect(links).toBeGreaterThan(3);
  });

  test.if(existsSync(OWN))("agrees on this machine's own bus", () => {
    expect(compareWithLspci("/sys", ["Class", "Vendor", "Device", "Driver", "IOMMUGroup"])).toBe(
      readdirSync(OWN).length,
    );
  });
});
