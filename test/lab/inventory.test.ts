import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Hardware, HardwareList } from "../../src/contract/hardware.ts";
import { Pci } from "../../src/contract/pci.ts";
import { asLspci, records } from "../support/lspci.ts";
import { breadth, MODULES } from "./support/breadth.ts";
import { closeGuests, type Guest, startGuest } from "./support/guest.ts";
import { command, startInGuest } from "./support/sinew.ts";

/** What `lspci -vv` says of a function beyond its list of fields; null where it says nothing. */
function details(text: string) {
  const number = (pattern: RegExp) => {
    const found = pattern.exec(text)?.[1];
    return found === undefined ? null : Number(found);
  };
  const sizes = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;
  return {
    link:
      number(/LnkSta:.*Speed ([\d.]+)GT/) === null
        ? null
        : {
            speed_gts: number(/LnkSta:\s+Speed ([\d.]+)GT/),
            width: number(/LnkSta:.*Width x(\d+)/),
            max_speed_gts: number(/LnkCap:.*Speed ([\d.]+)GT/),
            // QEMU's switch claims a width of 0, which no link has: it isn't known.
            max_width: number(/LnkCap:.*Width x(\d+)/) || null,
          },
    sriov:
      number(/Total VFs: (\d+)/) === null
        ? null
        : { total: number(/Total VFs: (\d+)/), enabled: number(/Number of VFs: (\d+)/) },
    bars: [...text.matchAll(/Region (\d): (I\/O|Memory).*\[size=(\d+)([KMG]?)\]/g)].map(
      ([, index, type, size, unit]) => ({
        index: Number(index),
        io: type === "I/O",
        size: Number(size) * (sizes[unit as keyof typeof sizes] ?? 1),
      }),
    ),
  };
}

describe("a machine of 27 functions", () => {
  let guest: Guest;
  let hardware: Map<string, Hardware>;
  const pci = (address: string) => Pci.parse(hardware.get(address)?.pci);

  beforeAll(async () => {
    guest = await startGuest({ ...breadth, modules: MODULES });
    const scanned = HardwareList.parse(JSON.parse(await command(guest, "scan", "--all", "--json"))).hardware;
    hardware = new Map(scanned.map((one) => [one.pci?.address ?? "", one]));
  });
  afterAll(closeGuests);

  test("sinew scan lists what lspci lists: addresses, ids, class, kernel driver, NUMA node, IOMMU group, slot", async () => {
    const theirs = records(await guest.sh("lspci -D -n -k -vmm"));
    expect(theirs.size).toBeGreaterThanOrEqual(27);
    expect([...hardware.keys()].sort()).toEqual([...theirs.keys()].sort());
    for (const [address, record] of theirs) {
      const own = Object.fromEntries(Object.entries(asLspci(pci(address))).filter(([, value]) => value !== undefined));
      const picked = Object.fromEntries(
        Object.keys(asLspci(pci(address))).flatMap((key) => (record[key] === undefined ? [] : [[key, record[key]]])),
      );
      expect({ address, ...own, slot: pci(address).slot ?? undefined }).toEqual({
        address,
        ...picked,
        slot: record.PhySlot,
      });
    }
  });

  test("links, BARs and SR-IOV are what lspci decodes", async () => {
    let links = 0;
    for (const block of (await guest.sh("lspci -D -n -vv")).trim().split("\n\n")) {
      const address = block.slice(0, block.indexOf(" "));
      const { link, sriov, bars } = details(block);
      const own = pci(address);
      expect({ address, link: own.link }).toEqual({ address, link });
      expect({ address, sriov: own.sriov && { total: own.sriov.total, enabled: own.sriov.enabled } }).toEqual({
        address,
        sriov,
      });
      expect({ address, bars: own.bars.map(({ index, type, size }) => ({ index, io: type === "io", size })) }).toEqual({
        address,
        bars,
      });
      links += link === null ? 0 : 1;
    }
    expect(links).toBeGreaterThan(10);
  });

  test("GET /hardware shows the same functions of the kinds that there are drivers for", async () => {
    const sinew = await startInGuest(guest, "--role", "agent");
    const served = await sinew.hardware();
    const wanted = [...hardware.values()].filter(({ acc_specs }) => acc_specs.device_type !== "GENERIC");
    const pciOf = (all: Hardware[]) => new Map(all.map((one) => [one.pci?.address, one.pci]));
    expect(pciOf(served)).toEqual(pciOf(wanted));
    expect(served.map(({ acc_status }) => acc_status.ready)).not.toContain(undefined);
  });

  test("kinds are told by ids, then by class", () => {
    const kinds = [...hardware.values()].map(({ pci, acc_specs }) =>
      [pci?.vendor_id, pci?.device_id, pci?.class, acc_specs.device_type].join(" "),
    );
    for (const kind of [
      "1af4 1054 00ff00 CRYPTO",
      "1b36 0010 010802 SSD",
      "1af4 1001 120000 AICHIP",
      "8086 10d3 020000 NIC",
      "8086 0d93 050210 GENERIC",
    ]) {
      expect(kinds).toContain(kind);
    }
  });

  test("a device behind a switch on another host bridge has its path, its NUMA node and its parent", () => {
    const [crypto] = [...hardware.values()].filter(({ acc_specs }) => acc_specs.device_type === "CRYPTO");
    expect(crypto?.pci).toMatchObject({
      numa_node: 1,
      address: "0000:42:00.0",
      parent: "0000:40:01.0",
      path: "0000:40/01.0/00.0",
    });
    const [nic] = [...hardware.values()].filter(({ pci }) => pci?.device_id === "10d3");
    expect(nic?.pci).toMatchObject({ path: "0000:00/03.0/00.0/01.0/00.0", numa_node: null });
  });
});
