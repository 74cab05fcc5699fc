import { expect, test } from "bun:test";
import { parseReport } from "../../src/contract/peer.ts";
import { adopt, keepKnown } from "../../src/tiers/adopt.ts";
import { coalesce } from "../../src/tiers/coalesce.ts";
import { CARD, NODE } from "../support/tiers.ts";

const NOW = "2026-11-23T00:00:00.000Z";
const PCI = {
  address: "0000:3b:00.0",
  path: "0000:00/01.0/00.0",
  parent: null,
  slot: null,
  label: null,
  vendor_id: "8086",
  device_id: "4940",
  subsystem_vendor_id: null,
  subsystem_device_id: null,
  class: "0b4000",
  revision: null,
  vendor: null,
  device: null,
  kernel_driver: null,
  numa_node: null,
  iommu_group: null,
  link: null,
  sriov: null,
  bars: [],
};

test("adopt() forwards fields it does not know, at every depth", () => {
  const sent = {
    ...CARD,
    colour: "blue",
    serials: [{ kind: "dsn", value: "00-01", read_by: "us" }],
    acc_specs: { ...CARD.acc_specs, shape: "round" },
    acc_status: {
      setup_required: false,
      reboot_required: false,
      mood: "good",
      conditions: [
        { type: "Responding", status: "true", reason: "Read", message: "", action: null, since: NOW, since_boot: 3 },
      ],
    },
    pci: { ...PCI, aspm: "L1" },
  };
  const [item] = parseReport(JSON.parse(JSON.stringify({ hardware: [sent] })), { devices: 1, bySource: false }).items;
  if (!item) throw new Error("refused");
  const device = adopt(item, { source: "crypto", type: null, node: NODE, now: NOW });
  expect(device as object).toMatchObject(sent);
});

test("adopt() reads the seed's misprint and writes the right word", () => {
  const sent = { uuid: CARD.uuid, acc_status: { setup_required: false, reboot_equired: true } };
  const [item] = parseReport({ hardware: [sent] }, { devices: 1, bySource: false }).items;
  if (!item) throw new Error("refused");
  const { acc_status } = adopt(item, { source: "crypto", type: "CRYPTO", node: NODE, now: NOW });
  expect([acc_status.reboot_required, acc_status.ready]).toEqual([true, false]);
});

const said = (status: string, reason: string, since: string) => ({
  type: "Responding",
  status,
  reason,
  message: "",
  action: null,
  since,
});
const seen = (fields: object, condition: object) => {
  const acc_status = { setup_required: false, reboot_required: false, conditions: [condition] };
  const sent = { ...CARD, ...fields, acc_status };
  const [item] = parseReport({ hardware: [sent] }, { devices: 1, bySource: false }).items;
  if (!item) throw new Error("refused");
  return adopt(item, { source: "gpu", type: null, node: NODE, now: NOW });
};
const LINK = { speed_gts: 16, width: 16, max_speed_gts: 16, max_width: 16 };
const DSN = [{ kind: "dsn", value: "00-01" }];
const LATER = "2026-11-23T05:00:00.000Z";

test("keepKnown() dates a condition by its last change of status", () => {
  const before = seen({}, said("true", "ConfigRead", NOW));
  expect(keepKnown(seen({}, said("true", "ConfigRead", LATER)), before).acc_status.conditions[0]?.since).toBe(NOW);
  expect(keepKnown(seen({}, said("false", "AllOnes", LATER)), before).acc_status.conditions[0]?.since).toBe(LATER);
});

test("keepKnown() keeps the link and serials of a device that sleeps, and of no other", () => {
  const before = seen({ serials: DSN, pci: { ...PCI, link: LINK } }, said("true", "ConfigRead", NOW));
  const asleep = keepKnown(seen({ serials: [], pci: PCI }, said("unknown", "Asleep", LATER)), before);
  expect([asleep.pci?.link, asleep.serials]).toEqual([LINK, DSN]);
  const broken = keepKnown(seen({ serials: [], pci: PCI }, said("false", "AllOnes", LATER)), before);
  expect([broken.pci?.link, broken.serials]).toEqual([null, []]);
});

test("coalesce() runs again for a call that came meanwhile, and once for many", async () => {
  const runs: string[] = [];
  const gates: (() => void)[] = [];
  const run = coalesce(async (key: string) => {
    runs.push(key);
    await new Promise<void>((resume) => gates.push(resume));
  });
  const all = Promise.all(["a", "a", "b", "a"].map(run));
  expect(runs).toEqual(["a", "b"]);
  for (const open of gates.splice(0)) open();
  await Bun.sleep(0);
  expect(runs).toEqual(["a", "b", "a"]);
  for (const open of gates.splice(0)) open();
  await all;
  expect(runs).toHaveLength(3);
});
