import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Hardware } from "../../src/contract/hardware.ts";
import { until } from "../support/process.ts";
import { closeGuests, type Guest, startGuest } from "./support/guest.ts";
import { type GuestSinew, startInGuest } from "./support/sinew.ts";
import { crypto, hostBridge, nvme, nvmePf, plug, port, unplug } from "./support/topology.ts";

/** Ports of bus 0 are hot-plugged by ACPI, those of another host bridge by the port itself (pciehp). */
const CRYPTO = { address: "0000:01:00.0", part: crypto("crypto", { bus: "acpi0" }), ids: "1af4:1054" };
const SSD = { address: "0000:02:00.0", part: nvme("ssd", { bus: "acpi1" }), ids: "1b36:0010" };
const PF = { address: "0000:03:00.0" };
const PULLED = { address: "0000:41:00.0", port: "0000:40:00.0", ids: "1b36:0010" };
const DEADLINE_MS = 60_000;

/** Asks as fast as answers come, and keeps what it was told. */
function readAlong(sinew: GuestSinew) {
  const answers: Hardware[][] = [];
  let stopped = false;
  const reading = (async () => {
    while (!stopped) answers.push(await sinew.hardware());
  })();
  // Whoever stops it hears of it.
  reading.catch(() => {});
  return async () => {
    stopped = true;
    await reading;
    return answers;
  };
}

/** What was said of an address, one after the other, where it differs from what was said before. */
function story(answers: Hardware[][], address: string): string[] {
  const said = answers.map((hardware) => {
    const rows = hardware.filter(({ pci }) => pci?.address === address);
    const words = rows.map(({ freshness, acc_status }) =>
      freshness === "FRESH" && acc_status.ready ? "ready" : freshness,
    );
    return words.join(" and ") || "absent";
  });
  return said.filter((one, index) => one !== said[index - 1]);
}

/**
 * A card that is pulled out without a word. QEMU takes it away when its port's power and power indicator go off (Slot
 * Control, PCIe 6.0, 7.5.3.10); the port's interrupt waits until the power is on again, as pciehp believes no removal
 * from a slot without power.
 */
async function pull(guest: Guest, address: string): Promise<void> {
  await guest.sh(`setpci -s ${address} CAP_EXP+18.w=0700:0720 CAP_EXP+18.w=0120:0720`);
}

describe("a machine whose hardware changes while it runs", () => {
  let guest: Guest;
  let sinew: GuestSinew;
  const uuids = new Map<string, string>();

  beforeAll(async () => {
    guest = await startGuest({
      parts: [
        ...[port("acpi0"), port("acpi1"), port("acpi2"), nvmePf("pf", 4, { bus: "acpi2" })],
        ...[hostBridge("far", { bus_nr: 0x40 }), port("native", { bus: "far" }), nvme("pulled", { bus: "native" })],
      ],
      modules: ["nvme", "virtio_crypto"],
    });
    sinew = await startInGuest(guest, "--role", "all");
  });
  afterAll(closeGuests);

  const rowsAt = async (address: string) => (await sinew.hardware()).filter(({ pci }) => pci?.address === address);
  const isReady = (address: string) => async () =>
    (await rowsAt(address)).some(({ freshness, acc_status }) => freshness === "FRESH" && acc_status.ready);
  const isGone = (address: string) => async () => (await rowsAt(address)).some(({ freshness }) => freshness === "GONE");

  test("two hot-plugs and a surprise removal: no reader is ever told something wrong", async () => {
    await until(isReady(PULLED.address), DEADLINE_MS);
    const stop = readAlong(sinew);
    await plug(guest.qmp, CRYPTO.part);
    await until(isReady(CRYPTO.address), DEADLINE_MS);
    await plug(guest.qmp, SSD.part);
    await until(isReady(SSD.address), DEADLINE_MS);
    await pull(guest, PULLED.port);
    await until(isGone(PULLED.address), DEADLINE_MS);
    const answers = await stop();

    for (const { address, ids } of [CRYPTO, SSD, PULLED]) {
      const rows = answers.flat().filter(({ pci }) => pci?.address === address);
      // The same device in all answers, and whole in each: all that comes later is that its driver has taken it.
      expect(new Set(rows.map(({ uuid }) => uuid)).size).toBe(1);
      expect(new Set(rows.map(({ pci }) => JSON.stringify({ ...pci, kernel_driver: null }))).size).toBe(1);
      expect(`${rows[0]?.pci?.vendor_id}:${rows[0]?.pci?.device_id}`).toBe(ids);
      uuids.set(address, rows[0]?.uuid ?? "");
    }
    const settled = (address: string) => story(answers, address).filter((one) => one !== "FRESH");
    expect(settled(CRYPTO.address)).toEqual(["absent", "ready"]);
    expect(settled(SSD.address)).toEqual(["absent", "ready"]);
    expect(settled(PULLED.address)).toEqual(["ready", "GONE"]);
    // What nobody touched was never anything else.
    for (const address of [PF.address, "0000:00:1d.0"]) expect(story(answers, address)).toEqual(["ready"]);
  });

  test("a card that is let go and put back is the same device, GONE in between", async () => {
    await unplug(guest.qmp, CRYPTO.part);
    await until(isGone(CRYPTO.address), DEADLINE_MS);
    await plug(guest.qmp, CRYPTO.part);
    await until(isReady(CRYPTO.address), DEADLINE_MS);
    expect((await rowsAt(CRYPTO.address)).map(({ uuid }) => uuid)).toEqual([uuids.get(CRYPTO.address) ?? ""]);
  });

  test("VFs appear with their PF's links, and are gone with it", async () => {
    await guest.sh(`echo 2 > /sys/bus/pci/devices/${PF.address}/sriov_numvfs`);
    const vfs = ["0000:03:00.1", "0000:03:00.2"];
    for (const [index, vf] of vfs.entries()) {
      await until(async () => (await rowsAt(vf)).length === 1, DEADLINE_MS);
      const [row] = await rowsAt(vf);
      expect(row?.pci?.sriov).toMatchObject({ pf: PF.address, vf_index: index });
      expect(row?.acc_specs.num).toBe(0);
    }
    await until(async () => (await sinew.at(PF.address)).pci?.sriov?.enabled === 2, DEADLINE_MS);
    const held = guest.sh(`exec 3< /sys/bus/pci/devices/${PF.address}/config; echo open > /tmp/held; \
      while [ -e /sys/bus/pci/devices/${PF.address} ]; do sleep 0.1; done; dd bs=64 count=1 <&3 2>&1 >/dev/null || true`);
    await until(async () => (await guest.run(["test", "-e", "/tmp/held"])).code === 0, DEADLINE_MS);
    await guest.qmp.execute("device_del", { id: "pf" });
    for (const address of [...vfs, PF.address]) await until(isGone(address), DEADLINE_MS);
    // A card that is removed while someone has it open: no such device, and nothing else happens.
    expect(await held).toContain("No such device");
  });
});
