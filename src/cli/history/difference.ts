import type { Hardware } from "../../contract/hardware.ts";

/** What of the PCI function is told when it is another. */
const FACTS = ["address", "slot", "kernel_driver", "numa_node", "iommu_group", "revision"] as const;

/** What became different between two reports of a device, in words; nothing: no more than wording, or times. */
export function difference(before: Hardware, now: Hardware): string[] {
  const said: string[] = [];
  const tell = (name: string, was: unknown, is: unknown) => {
    if (JSON.stringify(was) !== JSON.stringify(is)) said.push(`${name} ${shown(was)} -> ${shown(is)}`);
  };
  tell("node", before.node.name, now.node.name);
  tell("freshness", before.freshness, now.freshness);
  tell("ready", before.acc_status.ready, now.acc_status.ready);
  const was = new Map(before.acc_status.conditions.map((one) => [one.type, one]));
  for (const { type, status, reason, message } of now.acc_status.conditions) {
    const old = was.get(type);
    was.delete(type);
    if (old?.status === status && old.reason === reason) continue;
    said.push(`${type} is ${status}: ${reason}${status === "true" ? "" : `: ${message}`}`);
  }
  for (const type of was.keys()) said.push(`${type} is said no more`);
  for (const fact of FACTS) tell(fact, before.pci?.[fact] ?? null, now.pci?.[fact] ?? null);
  const link = ({ pci }: Hardware) => pci?.link && `${pci.link.speed_gts}GT/s x${pci.link.width}`;
  tell("link", link(before) ?? null, link(now) ?? null);
  tell("VFs", before.pci?.sriov?.enabled ?? null, now.pci?.sriov?.enabled ?? null);
  tell("serials", before.serials, now.serials);
  const names = new Set([...Object.keys(before.attributes), ...Object.keys(now.attributes)]);
  for (const name of names) tell(name, before.attributes[name] ?? null, now.attributes[name] ?? null);
  return said;
}

const shown = (value: unknown): string =>
  value === null ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value);
