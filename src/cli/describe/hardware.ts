import type { Node } from "../../contract/node.ts";
import { alarms as alarmKind } from "../get/kinds/alarms.ts";
import { type Device, hardware as hardwareKind, statusOf, whyOf } from "../get/kinds/hardware.ts";
import { nodeStatus } from "../get/kinds/nodes.ts";
import { plainOf } from "../get/show.ts";
import { changeLine } from "../history/lines.ts";
import type { Conductor } from "../operator/conductor.ts";
import { age, secondText } from "../show/age.ts";
import type { Section } from "../show/sections.ts";
import { linkOf } from "../table.ts";
import { alarmsOf, deviceCalled, holdersOf, NOT_SHOWN, newestChanges, setupHistory, sourcesOf, tried } from "./read.ts";

const CHANGES = 10;
const WRITES = 5;

/** All that is known of one device. Throws Exit where there is no such. */
export async function readDevice(conductor: Conductor, said: string) {
  const hardware = await deviceCalled(conductor, said);
  const { uuid, node } = hardware;
  const [at, sources, alarms, { changes }, setup, holders] = await Promise.all([
    conductor.find(`/nodes/${node.id}`) as Promise<Node | null>,
    sourcesOf(conductor, node.id),
    alarmsOf(conductor, node.id, (alarm) => alarm.uuid === uuid || alarm.devices.uuids.includes(uuid)),
    newestChanges(conductor, { uuid, node: node.id }, CHANGES),
    tried(() => setupHistory(conductor, uuid)),
    tried(() => holdersOf(conductor, uuid)),
  ]);
  const source = sources.find(({ name }) => name === hardware.source) ?? null;
  return { hardware, node: at, source, alarms, changes, setup, holders };
}

type Read = Awaited<ReturnType<typeof readDevice>>;

const deviceOf = ({ hardware, source }: Pick<Read, "hardware" | "source">): Device => ({
  ...{ hardware, failed: source && source.status !== "OK" ? source : null },
});

/** For programs: what could not be read is null. */
export const plainDevice = ({ setup, holders, ...rest }: Read) => ({
  ...rest,
  hardware: plainOf(hardwareKind, deviceOf(rest)),
  setup: "found" in setup ? setup.found : null,
  holders: "found" in holders ? holders.found : null,
});

export function deviceSections(read: Read, now: number): Section[] {
  const { hardware, node, source, alarms, changes, setup, holders } = read;
  const { pci, acc_specs, acc_status, serials, attributes } = hardware;
  const device = deviceOf({ hardware, source });
  const { since, said } = whyOf(device);
  const ago = (time: string | null) => (time === null ? "-" : `${age(time, now)} ago (${time.slice(0, 19)}Z)`);
  const sriov = pci?.sriov;
  return [
    {
      heading: "",
      fields: [
        ["Name", hardware.name],
        ["ID", hardware.uuid],
        ["Node", `${hardware.node.name} (${hardware.node.id}${node ? `, ${nodeStatus(node)}` : ""})`],
        ["Type", acc_specs.device_type],
        ["Status", `${statusOf(device)}${since === null ? "" : `, since ${ago(since)}`}`],
        ...said.flatMap(({ text, action }): [string, string | null][] => [
          ["Why", text],
          ["What to do", action],
        ]),
        [
          "Source",
          `${hardware.source}${source ? `, ${source.status}, last good answer ${ago(source.observed_at)}` : ""}`,
        ],
        ["Serials", serials.map(({ kind, value }) => `${kind} ${value}`).join(", ")],
        ["First seen", ago(hardware.first_seen)],
      ],
    },
    ...(pci === null
      ? []
      : [
          {
            heading: "PCI",
            fields: [
              ["Address", pci.address],
              ["Path", pci.path],
              ["Slot", pci.slot],
              ["Label", pci.label],
              [
                "IDs",
                `${pci.vendor_id}:${pci.device_id}${pci.subsystem_vendor_id ? `, subsystem ${pci.subsystem_vendor_id}:${pci.subsystem_device_id}` : ""}`,
              ],
              ["Class", `${pci.class}${pci.revision === null ? "" : `, revision ${pci.revision}`}`],
              ["Vendor", pci.vendor],
              ["Device", pci.device],
              ["Kernel driver", pci.kernel_driver ?? "none is bound"],
              ["NUMA node", pci.numa_node],
              ["IOMMU group", pci.iommu_group],
              ["Link", linkOf(hardware)],
              [
                "SR-IOV",
                sriov &&
                  (sriov.pf === null
                    ? `${sriov.enabled ?? 0} of ${sriov.total ?? 0} VFs`
                    : `VF ${sriov.vf_index} of ${sriov.pf}`),
              ],
            ],
          } satisfies Section,
        ]),
    ...(Object.keys(attributes).length === 0
      ? []
      : [
          {
            heading: "Attributes",
            fields: Object.entries(attributes).map(([name, value]): [string, string] => [name, String(value)]),
          },
        ]),
    {
      heading: "Conditions",
      none: "it says none",
      rows: [
        ["TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"],
        ...acc_status.conditions.map(({ type, status, since, reason, message }) => [
          ...[type, status, age(since, now), reason, message],
        ]),
      ],
    },
    "why" in holders
      ? { heading: "Held by", line: holders.why.startsWith(NOT_SHOWN) ? holders.why : `not known: ${holders.why}` }
      : {
          heading: "Held by",
          none: `nobody that can be seen, but for its kernel driver (${pci?.kernel_driver ?? "none"})`,
          rows: [
            ["KIND", "NAME", "ADDRESS", "WHAT"],
            ...holders.found.map(({ kind, name, address, message }) => [kind, name, address, message]),
          ],
        },
    alarmSection(alarms, now),
    "why" in setup
      ? { heading: "Setup", line: `not known: ${setup.why}` }
      : {
          heading: "Setup",
          none: "nothing was written to set it up",
          rows: [
            ["TIME (UTC)", "KIND", "WHO", "OUTCOME", "WRITE"],
            ...setup.found
              .slice(0, WRITES)
              .map(({ time, kind, actor, outcome, path, from, to }) => [
                ...[secondText(time), kind, actor, outcome, `${path}: ${from ?? "-"} -> ${to}`],
              ]),
          ],
        },
    changeSection(changes, `sinew history hardware ${hardware.uuid.slice(0, 8)}`),
  ];
}

export function alarmSection(alarms: Read["alarms"], now: number): Section {
  const shown = alarmKind.columns.filter(({ heading, wide }) => !wide && heading !== "NODE");
  return {
    heading: "Alarms",
    none: "none fires",
    rows: [shown.map(({ heading }) => heading), ...alarms.map((alarm) => shown.map(({ of }) => of(alarm, { now })))],
  };
}

/** The newest first. */
export const changeSection = (changes: Read["changes"], more: string, { about = false } = {}): Section => ({
  heading: `Changes, the newest first (\`${more}\` has more)`,
  none: "none that is kept",
  rows: [
    ["TIME (UTC)", "KIND", "WHAT"],
    ...changes.map((change, at) => changeLine(change, { older: changes.slice(at + 1), about })),
  ],
});
