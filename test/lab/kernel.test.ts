import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Hardware } from "../../src/contract/hardware.ts";
import { until } from "../support/process.ts";
import { closeGuests, type Guest, startGuest } from "./support/guest.ts";
import { type GuestSinew, startInGuest } from "./support/sinew.ts";
import { accelerator, crypto, nvmePf, plain, port } from "./support/topology.ts";

const DEADLINE_MS = 60_000;
const PF = "0000:01:00.0";
const NIC = "0000:02:00.0";
const CRYPTO = "0000:03:00.0";
const sysfs = (address: string, file: string) => `/sys/bus/pci/devices/${address}/${file}`;

/** What the kernel does with what is written, and what of it we say. */
describe("a kernel with an IOMMU", () => {
  let guest: Guest;
  let sinew: GuestSinew;
  beforeAll(async () => {
    guest = await startGuest({
      iommu: "intel",
      parts: [
        ...[port("p0"), nvmePf("ssd", 4, { bus: "p0" })],
        ...[port("p1"), plain("e1000e", "nic", { bus: "p1", romfile: "" })],
        ...[port("p2"), crypto("crypto", { bus: "p2" })],
        // Two functions of one card: without ACS they share an IOMMU group.
        port("p3"),
        accelerator("ai0", { bus: "p3", addr: "0x0.0", multifunction: true }),
        accelerator("ai1", { bus: "p3", addr: "0x0.1" }),
      ],
      modules: ["nvme", "e1000e", "virtio_crypto", "virtio_blk", "aer_inject"],
    });
    sinew = await startInGuest(guest, "--role", "agent", "--health-interval", "1");
  });
  afterAll(closeGuests);

  const condition = (device: Hardware, type: string) =>
    device.acc_status.conditions?.find((condition) => condition.type === type);
  /** Waits until the device says this of itself. */
  async function says(address: string, type: string, status: string, reason: string) {
    await until(async () => {
      const found = condition(await sinew.at(address), type);
      return found?.status === status && found.reason === reason;
    }, DEADLINE_MS);
    return condition(await sinew.at(address), type);
  }
  /** What the kernel answers to a write: nothing, or the error's words. */
  const write = async (address: string, file: string, value: string) =>
    (await guest.run(["sh", "-c", `echo ${value} > ${sysfs(address, file)}`])).stderr.replace(/^.*: /s, "").trim();

  test("tells of an SSD what it is, and of a crypto card what its driver does", async () => {
    expect(await sinew.at(PF)).toMatchObject({
      serials: [{ kind: "nvme", value: "LAB-ssd" }],
      attributes: { model: "QEMU NVMe Ctrl", firmware_version: expect.any(String) },
      pci: { sriov: { total: 4, enabled: 0 } },
    });
    const { algorithms } = (await sinew.at(CRYPTO)).acc_specs.acc_capability as { algorithms: string[] };
    expect(algorithms).toContain("cbc(aes)");
  });

  test("shows a driver_override that is clear as (null), which is none", async () => {
    expect((await guest.sh(`cat ${sysfs(CRYPTO, "driver_override")}`)).trim()).toBe("(null)");
  });

  test("counts a link's errors, and each that is counted is said", async () => {
    await says(NIC, "ErrorFree", "true", "NoErrors");
    // aer_inject takes struct aer_error_inj (drivers/pci/pcie/aer_inject.c): bus 2, device 0, function 0, no uncorrectable
    // error, and of the correctable ones Receiver Error.
    const error = `\\2${"\\0".repeat(7)}\\1${"\\0".repeat(23)}`;
    await guest.sh(`printf '${error}' > /dev/aer_inject`);
    await until(async () => condition(await sinew.at(NIC), "ErrorFree")?.status === "false", DEADLINE_MS);
    expect(condition(await sinew.at(NIC), "ErrorFree")?.message).toContain("RxErr");
    expect((await sinew.at(NIC)).acc_status.ready).toBe(true);
  });

  test("says that a card without power is still there; we say that it does not answer, and of no other", async () => {
    const before = (await sinew.hardware()).filter(({ pci }) => pci?.address !== NIC);
    // Power Controller Control (Slot Control, PCIe 6.0, 7.5.3.10) of the port above: off.
    await guest.sh("setpci -s 00:03.0 CAP_EXP+18.w=0400:0400");
    expect(await guest.sh(`cat ${sysfs(NIC, "vendor")}; od -An -tx1 -N4 ${sysfs(NIC, "config")}`)).toBe(
      "0x8086\n ff ff ff ff\n",
    );
    await says(NIC, "Responding", "false", "AllOnes");
    expect((await sinew.at(NIC)).acc_status.ready).toBe(false);
    expect((await sinew.at(NIC)).pci?.kernel_driver).toBe("e1000e");
    expect((await sinew.hardware()).filter(({ pci }) => pci?.address !== NIC)).toEqual(before);
    await guest.sh("setpci -s 00:03.0 CAP_EXP+18.w=0000:0400");
    await says(NIC, "Responding", "true", "ConfigRead");
  });

  test("refuses VFs without a driver, above the total, and from one number to another", async () => {
    expect(await write(PF, "sriov_numvfs", "5")).toBe("Numerical result out of range");
    expect(await write(PF, "sriov_numvfs", "2")).toBe("");
    expect(await write(PF, "sriov_numvfs", "4")).toBe("Device or resource busy");
    await until(async () => (await sinew.at(PF)).pci?.sriov?.enabled === 2, DEADLINE_MS);
    // The PF's count is written before the last VF is there.
    await until(async () => (await sinew.hardware()).some(({ pci }) => pci?.address === "0000:01:00.2"), DEADLINE_MS);
    expect((await sinew.at("0000:01:00.2")).pci?.sriov).toMatchObject({ pf: PF, vf_index: 1 });
    expect(await write(PF, "sriov_numvfs", "0")).toBe("");
    expect(await write(PF, "driver/unbind", PF)).toBe("");
    expect(await write(PF, "sriov_numvfs", "2")).toBe("No such file or directory");
    await says(PF, "DriverBound", "false", "NoKernelDriver");
    expect(await guest.sh(`echo ${PF} > /sys/bus/pci/drivers/nvme/bind`)).toBe("");
    await says(PF, "DriverBound", "true", "Bound");
  });
});
