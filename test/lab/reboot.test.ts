import { afterAll, describe, expect, test } from "bun:test";
import type { Hardware } from "../../src/contract/hardware.ts";
import { until } from "../support/process.ts";
import { closeGuests, startGuest } from "./support/guest.ts";
import { command, configure, restoreState, saveState, startInGuest } from "./support/sinew.ts";
import { crypto, port } from "./support/topology.ts";

afterAll(closeGuests);

describe("a machine whose IOMMU is switched off", () => {
  test("is told to switch its IOMMU on, and does what is wanted of it by itself once it has booted with it", async () => {
    const parts = [port("p0"), crypto("crypto", { bus: "p0" })];
    const modules = ["virtio_crypto", "vfio_pci"];
    const [CARD, IOMMU] = ["0000:01:00.0", "IommuReady"];
    const said = (device: Hardware, type: string) => device.acc_status.conditions?.find((one) => one.type === type);

    const off = await startGuest({ parts, modules, iommu: "intel", parameters: "intel_iommu=off" });
    const rule = { match: { device_type: "CRYPTO" }, kernel_driver: "vfio-pci", apply: "auto" };
    const config = await configure(off, [rule]);
    const before = await startInGuest(off, "--role", "agent", "--config", config);
    expect(said(await before.at(CARD), IOMMU)).toMatchObject({ status: "false", reason: "IommuOff" });
    expect((await before.at(CARD)).acc_status).toMatchObject({ ready: false, reboot_required: true });
    const plan = await command(off, "plan", CARD, "--state", "/state/sinew");
    expect(plan).toContain("reboot   first");
    expect(plan).toContain("intel_iommu=on");
    await expect(command(off, "apply", CARD, "--state", "/state/sinew")).rejects.toThrow("exited 1");
    // The kernel's own word on it: the write succeeds, and nothing is bound.
    const card = `/sys/bus/pci/devices/${CARD}`;
    await off.sh(`echo vfio-pci > ${card}/driver_override; echo ${CARD} > ${card}/driver/unbind`);
    expect(await off.run(["sh", "-c", `echo ${CARD} > /sys/bus/pci/drivers_probe`])).toMatchObject({
      code: 0,
      stderr: "",
    });
    expect((await off.run(["test", "-e", `${card}/driver`])).code).toBe(1);
    await before.stop();
    const kept = await saveState(off);
    await off.close();

    const on = await startGuest({ parts, modules, iommu: "intel", parameters: "intel_iommu=on" });
    await restoreState(on, kept);
    const after = await startInGuest(on, "--role", "agent", "--config", config);
    expect(said(await after.at(CARD), IOMMU)).toMatchObject({ status: "true" });
    await until(async () => (await after.at(CARD)).acc_status.ready, 60_000);
    expect((await after.at(CARD)).pci?.kernel_driver).toBe("vfio-pci");
    expect((await after.at(CARD)).acc_status).toMatchObject({ setup_required: false, reboot_required: false });
    expect(said(await after.at(CARD), "Configured")).toMatchObject({ status: "true", reason: "AsDesired" });
    expect(await command(on, "apply", CARD, "--state", "/state/sinew")).toContain("nothing was written");
    await on.close();
  });
});
