import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeTree } from "../../src/cli/host/tree.ts";
import { fromScan } from "../../src/drivers/discover.ts";
import { NIL_UUID } from "../../src/pci/identity.ts";
import { parseSnapshot } from "../../src/pci/snapshot/snapshot.ts";
import { scanPci } from "../../src/pci/sysfs/scan.ts";

/** The devices of a machine that was recorded in the lab (test/lab/record.ts). */
function recorded(name: string, all = false) {
  const directory = mkdtempSync(join(tmpdir(), "sinew-recorded-"));
  try {
    writeTree(parseSnapshot(readFileSync(join(import.meta.dir, `../fixtures/lab/${name}.json`), "utf8")), directory);
    const node = { id: NIL_UUID, name: "lab" };
    return fromScan(scanPci({ sysfs: directory }), { node, now: new Date(), all }).hardware;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe("a machine recorded in the lab", () => {
  test("with one of each kind shows them, the VFs of its SSD among them", () => {
    const shown = recorded("kinds").map(({ pci, acc_specs, acc_status }) =>
      [pci?.address, acc_specs.device_type, pci?.kernel_driver, acc_specs.num, acc_status.ready].join(" "),
    );
    for (const line of [
      "0000:01:00.0 SSD nvme 1 true",
      "0000:01:00.1 SSD  0 false",
      "0000:01:00.2 SSD  0 false",
      "0000:02:00.0 CRYPTO virtio-pci 1 true",
      "0000:03:00.0 NIC virtio-pci 1 true",
      "0000:00:07.0 NIC e1000e 1 true",
    ]) {
      expect(shown).toContain(line);
    }
  });

  test("shows what their kernel drivers tell, links and errors", () => {
    const devices = new Map(recorded("kinds").map((one) => [one.pci?.address, one]));
    const said = (address: string, type: string) =>
      devices.get(address)?.acc_status.conditions.find((one) => one.type === type);
    expect(devices.get("0000:01:00.0")).toMatchObject({
      attributes: { nvme_controller: "nvme0", model: "QEMU NVMe Ctrl", firmware_version: "7.2.22" },
      serials: [{ kind: "nvme" }],
    });
    expect(devices.get("0000:01:00.0")?.attributes.kernel_driver_version).toBe("1.0");
    // The VFs have no driver, and nobody to tell.
    expect(devices.get("0000:01:00.1")?.attributes).toEqual({});
    expect(said("0000:01:00.1", "LinkFull")).toBeUndefined();
    expect(devices.get("0000:03:00.0")?.attributes).toMatchObject({ net_interfaces: "eth1", net_link_up: false });
    expect(devices.get("0000:00:1d.0")?.attributes).toMatchObject({ net_interfaces: "eth0", net_link_up: true });
    expect(said("0000:00:07.0", "ErrorFree")).toMatchObject({ status: "true", reason: "NoErrors" });
    // QEMU's virtio devices have no AER, and its integrated endpoints no link.
    expect(said("0000:02:00.0", "ErrorFree")).toMatchObject({ status: "unknown", reason: "NotObservable" });
    expect(said("0000:00:07.0", "LinkFull")).toBeUndefined();
    expect(said("0000:01:00.0", "LinkFull")).toMatchObject({ status: "true" });
    expect(said("0000:02:00.0", "IommuReady")).toMatchObject({ status: "true", reason: "InGroup" });
  });

  test("shows the nodes of its displays", () => {
    const displays = recorded("kinds", true).filter(({ pci }) => pci?.class === "038000");
    expect(displays.map(({ attributes }) => [attributes.drm_card, attributes.drm_render])).toEqual([
      ["card0", "renderD128"],
      ["card1", undefined],
    ]);
  });

  test.each([
    ["no-iommu", "NoIommu"],
    ["iommu-off", "IommuOff"],
  ])("with %s has no IOMMU group, and says which of the two it is", (name, reason) => {
    const devices = recorded(name);
    expect(devices.map(({ pci }) => pci?.iommu_group)).toEqual([null, null]);
    for (const { acc_status } of devices) {
      const said = acc_status.conditions.find(({ type }) => type === "IommuReady");
      expect(said).toMatchObject({ status: "false", reason });
      expect(acc_status.ready).toBe(true);
    }
  });

  test("whose SSD lost its power still lists it, as silent", () => {
    const [ssd] = recorded("lost-power").filter(({ acc_specs }) => acc_specs.device_type === "SSD");
    expect(ssd?.pci).toMatchObject({ vendor_id: "1b36", device_id: "0010", kernel_driver: "nvme", iommu_group: 5 });
    const said = ssd?.acc_status.conditions?.find(({ type }) => type === "Responding");
    expect(said).toMatchObject({ status: "false", reason: "AllOnes" });
  });
});
