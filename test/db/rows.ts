import type { Hardware } from "../../src/contract/hardware.ts";
import type { Node } from "../../src/contract/node.ts";
import type { Writer } from "../../src/db/database.ts";
import { appendChanges, reserveRevisions } from "../../src/db/queries/changes.ts";
import { hardwareRow, saveHardware } from "../../src/db/queries/hardware.ts";

export const TIME = "2026-11-23T00:00:00.000Z";

export const node = (id: string, more: Partial<Node> = {}): Node => ({
  id,
  name: `node-${id.slice(-4)}`,
  state: "LIVE",
  labels: {},
  endpoint: null,
  last_seen: TIME,
  api: { min: "1.0", max: "1.0" },
  generation: null,
  boot_id: null,
  first_seen: TIME,
  key: null,
  conditions: [],
  ...more,
});

export const device = (of: Node, more: Partial<Hardware> = {}, type = "GPU", vendor = "10de"): Hardware => ({
  uuid: crypto.randomUUID(),
  name: "a device",
  source: "gpu",
  node: { id: of.id, name: of.name },
  first_seen: TIME,
  freshness: "FRESH",
  serials: [],
  attributes: {},
  acc_specs: { remote: 0, num: 1, device_type: type, acc_capability: {} },
  acc_status: { setup_required: false, reboot_required: false, ready: true, conditions: [] },
  pci: {
    address: "0000:01:00.0",
    path: "0000:00/01.0/00.0",
    parent: null,
    slot: null,
    label: null,
    vendor_id: vendor,
    device_id: "2330",
    subsystem_vendor_id: null,
    subsystem_device_id: null,
    class: "030200",
    revision: "a1",
    vendor: null,
    device: null,
    kernel_driver: null,
    numa_node: null,
    iommu_group: null,
    link: null,
    sriov: null,
    bars: [],
  },
  ...more,
});

/** Takes in a report as a conductor does: devices and their changes under consecutive revisions. */
export async function saveReport(w: Writer, devices: Hardware[]): Promise<number> {
  const first = await reserveRevisions(w, devices.length);
  await saveHardware(
    w,
    devices.map((each, i) => hardwareRow(each, first + i)),
  );
  await appendChanges(
    w,
    devices.map((each, i) => ({
      revision: first + i,
      time: TIME,
      kind: "added",
      node_id: each.node.id,
      node_name: each.node.name,
      source: each.source,
      uuid: each.uuid,
      state: null,
      body: JSON.stringify(each),
    })),
  );
  return first;
}
