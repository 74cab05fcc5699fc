import { deviceUuid } from "../../src/pci/identity.ts";
import type { Random } from "../fuzz/random.ts";
import { type Device, makeTree } from "../support/tree.ts";
import { keyOf } from "../truth/quiet.ts";

const SLOTS = [1, 2, 3, 4, 5, 6];
const two = (value: number) => value.toString(16).padStart(2, "0");
const addressOf = (slot: number) => `0000:${two(slot)}:00.0`;
const bridgeOf = (slot: number) => `0000:00:${two(slot)}.0`;

/** Each of another model, so that no two ever share a path and ids: then a card has one uuid per slot that it was first seen in. */
const CARDS = [
  ["gpu", "10de", "2331", "030200", "nvidia"],
  ["gpu", "10de", "2330", "030200", "nvidia"],
  ["gpu", "1002", "74a1", "120000", "amdgpu"],
  ["crypto", "8086", "4940", "0b4000", "4xxx"],
  ["crypto", "8086", "4942", "0b4000", "4xxx"],
  ["crypto", "8086", "37c8", "0b4000", "c6xx"],
] as const;
type Card = (typeof CARDS)[number];
export const KINDS = ["gpu", "crypto"] as const;

/** One machine's hardware, and what is done to it. */
export function makeHost(node: string) {
  const tree = makeTree();
  const slots = new Map<number, Card>();
  const broken = new Map<number, Uint8Array>();
  for (const slot of SLOTS)
    tree.add({
      address: bridgeOf(slot),
      vendor: "8086",
      device: "352a",
      class: "060400",
      secondary: slot,
      driver: "pcieport",
    });

  function put(slot: number, card: Card) {
    const [, vendor, device, kind, driver] = card;
    const serial = `00-00-00-00-00-00-00-${two(CARDS.indexOf(card) + 1)}`;
    const made: Device = {
      address: addressOf(slot),
      parent: bridgeOf(slot),
      vendor,
      device,
      class: kind,
      driver,
      serial,
    };
    tree.add(made);
    slots.set(slot, card);
  }
  for (const [index, card] of CARDS.slice(0, 4).entries()) put(SLOTS[index] ?? 0, card);

  const filled = () => [...slots.keys()].filter((slot) => !broken.has(slot));
  const empty = () => SLOTS.filter((slot) => !slots.has(slot));
  const spare = () => CARDS.filter((card) => ![...slots.values()].includes(card));

  return {
    sysfs: tree.sysfs,
    /** `keyOf` each device that can ever be there. */
    known: CARDS.flatMap(([source, vendor_id, device_id]) =>
      SLOTS.map((slot) => {
        const path = `0000:00/${two(slot)}.0/00.0`;
        return keyOf(node, source, deviceUuid(node, { path, vendor_id, device_id }));
      }),
    ),
    /** Where something is now, by source. */
    addresses: (source: string) =>
      [...slots].flatMap(([slot, card]) => (card[0] === source ? [addressOf(slot)] : [])).sort(),
    close: tree.close,

    /** Does something to the hardware; what, in words. */
    change(random: Random): string {
      const [from, to, card] = [filled(), empty(), spare()];
      switch (random.int(5)) {
        case 0:
          if (card.length === 0 || to.length === 0) break;
          put(random.pick(to), random.pick(card));
          return "a card is put in";
        case 1: {
          if (from.length < 2) break;
          const slot = random.pick(from);
          tree.remove(addressOf(slot));
          slots.delete(slot);
          return "a card is taken out";
        }
        case 2: {
          if (from.length === 0 || to.length === 0) break;
          const [before, after] = [random.pick(from), random.pick(to)];
          const moved = slots.get(before);
          if (!moved) break;
          tree.move(addressOf(before), addressOf(after), bridgeOf(after));
          slots.delete(before);
          slots.set(after, moved);
          return "a card is moved";
        }
        case 3: {
          if (from.length === 0) break;
          const slot = random.pick(from);
          broken.set(slot, tree.config(addressOf(slot)));
          tree.breakAllOnes(addressOf(slot));
          return "a card breaks";
        }
        default: {
          const slot = [...broken.keys()][0];
          const before = slot === undefined ? undefined : broken.get(slot);
          if (slot === undefined || !before) break;
          tree.setConfig(addressOf(slot), before);
          broken.delete(slot);
          return "a card is well again";
        }
      }
      return "nothing";
    },
    /** Nothing stays broken: what is is well again. */
    mend() {
      for (const [slot, before] of broken) tree.setConfig(addressOf(slot), before);
      broken.clear();
    },
  };
}
export type Host = ReturnType<typeof makeHost>;
