import { describe, expect, test } from "bun:test";
import { driftOf } from "../../src/cli/drift/groups.ts";
import { missingOf } from "../../src/cli/drift/missing.ts";
import type { Hardware } from "../../src/contract/hardware.ts";
import type { Node } from "../../src/contract/node.ts";

let made = 0;
/** A card at a node; `more` is laid over its PCI facts. */
function card(node: string, more: Partial<NonNullable<Hardware["pci"]>> = {}, attributes: Hardware["attributes"] = {}) {
  made += 1;
  const uuid = `00000000-0000-4000-8000-${String(made).padStart(12, "0")}`;
  return {
    ...{ uuid, name: "A100", source: "gpu", node: { id: node, name: node }, freshness: "FRESH", attributes },
    ...{ first_seen: "2026-01-01T00:00:00Z", serials: [] },
    acc_specs: { remote: 0, num: 1, device_type: "GPU", acc_capability: {} },
    acc_status: { setup_required: false, reboot_required: false, ready: true, conditions: [] },
    pci: {
      ...{ address: "0000:3b:00.0", vendor_id: "10de", device_id: "20b2", subsystem_vendor_id: "10de" },
      ...{ subsystem_device_id: "1463", kernel_driver: "nvidia", slot: "4", label: null, sriov: null },
      ...more,
    },
  } as unknown as Hardware; // what drift does not look at is left out
}

describe("driftOf()", () => {
  test("says nothing of devices that are alike, and of one alone", () => {
    expect(driftOf([card("n1"), card("n2"), card("n3", { device_id: "2331", kernel_driver: null })])).toEqual([]);
  });

  test("takes a whole fleet of one card", () => {
    const devices = Array.from({ length: 100_000 }, (_, at) =>
      card("n1", { kernel_driver: at === 7 ? null : "nvidia" }),
    );
    const [group] = driftOf(devices);
    expect(group?.differences[0]?.values.map((one) => [one.value, one.devices.length])).toEqual([
      ["nvidia", 99_999],
      [null, 1],
    ]);
  });

  test("names who differs from most, by each fact", () => {
    const version = (text: string) => ({ kernel_driver_version: text, firmware_version: "1.2" });
    const devices = [
      card("n1", {}, version("550.1")),
      card("n2", {}, version("535.9")),
      card("n3", { kernel_driver: "vfio-pci" }, { firmware_version: "1.2" }),
      card("n4", {}, { ...version("550.1"), firmware_version: "1.1" }),
      card("n5", {}, version("550.1")),
    ];
    const [group, ...others] = driftOf(devices);
    expect(others).toEqual([]);
    expect(group).toMatchObject({ name: "A100", device_type: "GPU", ids: "10de:20b2 10de:1463", total: 5 });
    const seen = group?.differences.map(({ fact, values }) => [
      fact,
      values.map(({ value, devices }) => [value, devices.map(({ node }) => node)]),
    ]);
    expect(seen).toEqual([
      [
        "kernel driver",
        [
          ["nvidia", ["n1", "n2", "n4", "n5"]],
          ["vfio-pci", ["n3"]],
        ],
      ],
      [
        "kernel driver version",
        [
          ["550.1", ["n1", "n4", "n5"]],
          ["535.9", ["n2"]],
          [null, ["n3"]],
        ],
      ],
      [
        "firmware",
        [
          ["1.2", ["n1", "n2", "n3", "n5"]],
          ["1.1", ["n4"]],
        ],
      ],
    ]);
  });

  test("takes for other devices: another maker's card, another model, a VF, one that is GONE", () => {
    const sriov = { pf: "0000:3b:00.0" } as unknown as NonNullable<Hardware["pci"]>["sriov"];
    const gone: Hardware = { ...card("n5", { kernel_driver: null }), freshness: "GONE" };
    const others = [
      card("n2", { subsystem_device_id: "1533", kernel_driver: null }),
      card("n3", { kernel_driver: null }, { model: "X" }),
      card("n4", { kernel_driver: null, sriov }),
    ];
    expect(driftOf([card("n1"), ...others, gone])).toEqual([]);
  });
});

describe("missingOf()", () => {
  const node = (id: string, status?: "true" | "false"): Node =>
    ({
      ...{ id, name: id, state: "LIVE" },
      conditions: status && [{ type: "HardwarePresent", status, message: `1 of 2 GPU present at ${id}` }],
    }) as unknown as Node;
  const gone = (of: string): Hardware => ({ ...card(of), freshness: "GONE" });

  test("names what is GONE, with its place, and what its node says of it", () => {
    const found = missingOf([gone("n1"), gone("n2"), card("n2")], [node("n1", "false"), node("n2")]);
    expect(found).toMatchObject([
      { node: "n1", address: "0000:3b:00.0", slot: "4", name: "A100", why: "1 of 2 GPU present at n1" },
      { node: "n2", why: expect.stringContaining("GONE") },
    ]);
  });

  test("passes over what its node does not miss, and names what was expected and never seen", () => {
    expect(missingOf([gone("n1")], [node("n1", "true"), node("n2", "false")])).toEqual([
      { uuid: null, node: "n2", address: null, slot: null, name: "-", why: "1 of 2 GPU present at n2" },
    ]);
  });
});
