import { afterAll, describe, expect, test } from "bun:test";
import type { Hardware } from "../../src/contract/hardware.ts";
import { closeGuests, startGuest } from "./support/guest.ts";
import { restoreState, saveState, startInGuest } from "./support/sinew.ts";
import { crypto, nvme, type Part, pciSwitch, port } from "./support/topology.ts";

afterAll(closeGuests);

/** Each device's address by its uuid. */
const places = (hardware: Hardware[]) => new Map(hardware.map(({ uuid, pci }) => [uuid, pci?.address ?? ""]));

describe("a machine that boots again", () => {
  /** The devices of one boot, with what our program has kept from the boot before. */
  async function boot(parts: Part[], state: string | null) {
    const guest = await startGuest({ parts, modules: ["nvme", "virtio_crypto"] });
    if (state !== null) await restoreState(guest, state);
    const sinew = await startInGuest(guest, "--role", "agent");
    const hardware = await sinew.hardware();
    await sinew.stop();
    const kept = await saveState(guest);
    await guest.close();
    return { hardware, kept };
  }

  test("with a switch put in before its cards has them under other bus numbers, and each uuid is what it was", async () => {
    const cards = [
      port("p0", { addr: "0x8", bus: "pcie.0" }),
      nvme("ssd", { bus: "p0" }),
      port("p1", { addr: "0x9", bus: "pcie.0" }),
      crypto("crypto", { bus: "p1" }),
    ];
    const before = await boot(cards, null);
    const after = await boot([port("new"), pciSwitch("switch", "new"), ...cards], before.kept);
    expect(before.hardware.map(({ pci }) => pci?.address).sort()).toEqual([
      "0000:00:1d.0",
      "0000:01:00.0",
      "0000:02:00.0",
    ]);
    expect(after.hardware.map(({ pci }) => pci?.address).sort()).toEqual([
      "0000:00:1d.0",
      "0000:05:00.0",
      "0000:06:00.0",
    ]);
    expect([...places(after.hardware).keys()].sort()).toEqual([...places(before.hardware).keys()].sort());
    expect(after.hardware.map(({ freshness, acc_status }) => [freshness, acc_status.ready])).toEqual(
      Array(3).fill(["FRESH", true]),
    );
  });
});
