import { uuidV5 } from "../../src/pci/identity.ts";
import type { DriverDevice } from "../../src/tiers/driver.ts";
import type { Dice } from "./dice.ts";

/** A card as it is in the machine. */
export interface Card {
  serial: string;
  /** The slot that it is in. */
  path: string;
  version: number;
  broken: boolean;
}

/** What of one kind is in a machine, and whether it can be looked for. */
export class Bus {
  readonly driver: string;
  readonly type: string;
  readonly cards: Card[] = [];
  mood: "well" | "fails" | "hangs" = "well";
  /** Every uuid that it ever gave a device. */
  readonly known = new Set<string>();
  readonly #node: string;
  readonly #dice: Dice;
  #serials = 0;
  #hung: (() => void)[] = [];

  constructor(options: { node: string; driver: string; type: string; dice: Dice }) {
    this.driver = options.driver;
    this.type = options.type;
    this.#node = options.node;
    this.#dice = options.dice;
  }

  nameOf({ serial, version, broken }: Card): string {
    return `${this.driver} ${serial} v${version}${broken ? " broken" : ""}`;
  }

  add(): void {
    const path = this.#freePath();
    if (path === null) return;
    this.#serials += 1;
    this.cards.push({ serial: `s${this.#serials}`, path, version: 1, broken: false });
  }

  #freePath(): string | null {
    const all = Array.from({ length: 8 }, (_, slot) => `0000:00/0${slot + 1}.0/00.0`);
    const free = all.filter((path) => !this.cards.some((card) => card.path === path));
    return free.length > 0 ? this.#dice.pick(free) : null;
  }

  /** What happens to hardware. */
  change(): string {
    const { cards } = this;
    const dice = this.#dice;
    const kind = dice.pick(["appears", "vanishes", "moves", "changes", "breaks", "all vanish"] as const);
    if (kind === "appears" || cards.length === 0) {
      this.add();
      return "a card appears";
    }
    const card = dice.pick(cards);
    const what = this.nameOf(card);
    if (kind === "vanishes") cards.splice(cards.indexOf(card), 1);
    else if (kind === "all vanish") cards.length = dice.chance(0.3) ? 0 : cards.length;
    else if (kind === "moves") card.path = this.#freePath() ?? card.path;
    else if (kind === "breaks") card.broken = !card.broken;
    else card.version += 1;
    return `${what} ${kind}`;
  }

  /** What its driver finds. Hangs until `mend`. */
  async discover(): Promise<DriverDevice[]> {
    if (this.mood === "hangs") {
      await new Promise<void>((resume) => this.#hung.push(resume));
      throw new Error("a read of the bus hung");
    }
    if (this.mood === "fails") throw new Error("the bus cannot be read");
    return this.cards.map((card, index) => this.#device(card, index));
  }

  mend(): void {
    this.mood = "well";
    for (const resume of this.#hung.splice(0)) resume();
  }

  #device(card: Card, index: number): DriverDevice {
    const ids = { vendor_id: "10de", device_id: "2330" };
    const uuid = uuidV5(this.#node, `${this.driver} ${card.path} ${ids.vendor_id}:${ids.device_id}`);
    this.known.add(uuid);
    return {
      uuid,
      name: this.nameOf(card),
      serials: [{ kind: "dsn", value: card.serial }],
      acc_specs: { remote: 0, num: 1, device_type: this.type, acc_capability: {} },
      acc_status: {
        setup_required: false,
        reboot_required: false,
        ready: !card.broken,
        conditions: card.broken
          ? [
              {
                type: "Responding",
                status: "false",
                reason: "NoAnswer",
                message: "it reads all ones",
                action: "power-cycle the node",
                since: "2026-01-01T00:00:00Z",
              },
            ]
          : [],
      },
      pci: {
        ...ids,
        address: `0000:0${index + 1}:00.0`,
        path: card.path,
        parent: null,
        slot: null,
        label: null,
        subsystem_vendor_id: null,
        subsystem_device_id: null,
        class: "030200",
        revision: null,
        vendor: null,
        device: null,
        kernel_driver: null,
        numa_node: null,
        iommu_group: null,
        link: null,
        sriov: null,
        bars: [],
      },
    };
  }
}
