import type { Condition } from "../contract/condition.ts";
import type { Hardware } from "../contract/hardware.ts";
import type { PeerItem } from "../contract/peer.ts";

/** A device of a peer that says nothing of its status is not ready by silence. */
const notReported = (since: string): Condition => ({
  type: "StatusReported",
  status: "unknown",
  reason: "NotReported",
  message: "the driver sent no acc_status, so nothing says whether this device is ready",
  action: "have the driver send acc_status.setup_required and acc_status.reboot_required",
  since,
});

/**
 * A child's device as this tier serves it: everything it sent, plus what the contract wants. Adds, never renames.
 * `now` dates what the child left undated (RFC 3339).
 */
export function adopt(
  { raw, value }: PeerItem,
  context: { source: string; type: string | null; node: Hardware["node"]; now: string },
): Hardware {
  const { source, type, node, now } = context;
  // Of the type that parsed, which keeps known fields alone: what is forwarded is what was sent.
  const sent = raw as PeerItem["value"];
  const specs = value.acc_specs ?? {};
  const deviceType = specs.device_type ?? type ?? "GENERIC";
  const status = value.acc_status;
  const conditions = status === undefined ? [notReported(now)] : (sent.acc_status?.conditions ?? []);
  const setup_required = status?.setup_required ?? false;
  const reboot_required = status?.reboot_required ?? status?.reboot_equired ?? false;
  return {
    ...raw,
    uuid: value.uuid,
    name: value.name ?? `${deviceType} ${value.uuid.slice(0, 8)}`,
    source,
    node,
    first_seen: value.first_seen ?? now,
    freshness: value.freshness ?? "FRESH",
    serials: sent.serials ?? [],
    attributes: sent.attributes ?? {},
    acc_specs: {
      ...sent.acc_specs,
      remote: specs.remote ?? 0,
      num: specs.num ?? 1,
      device_type: deviceType,
      acc_capability: sent.acc_specs?.acc_capability ?? {},
    },
    acc_status: {
      ...sent.acc_status,
      setup_required,
      reboot_required,
      ready: status?.ready ?? (status !== undefined && !setup_required && !reboot_required),
      conditions,
    },
    pci: sent.pci ?? null,
  };
}

/**
 * Keeps what a new report can't know better: first_seen, each condition's `since` while its status stays (or every
 * restart of a child would look like a change of all its devices), and of a device that was not woken to be asked the
 * link, serials and attributes it had.
 */
export function keepKnown(device: Hardware, before: Hardware | undefined): Hardware {
  if (!before) return device;
  const conditions = device.acc_status.conditions.map((condition) => {
    const same = before.acc_status.conditions.find(({ type }) => type === condition.type);
    return same?.status === condition.status ? { ...condition, since: same.since } : condition;
  });
  const kept = { ...device, first_seen: before.first_seen, acc_status: { ...device.acc_status, conditions } };
  if (!device.pci || !conditions.some(({ reason }) => reason === "Asleep")) return kept;
  return {
    ...kept,
    serials: device.serials.length > 0 ? device.serials : before.serials,
    attributes: { ...before.attributes, ...device.attributes },
    pci: { ...device.pci, link: device.pci.link ?? before.pci?.link ?? null },
  };
}

/** A tier takes this many of each device from the one below it. */
const CONDITIONS = 64;

/** The same uuid from two sources: two rows, each saying so. */
export function markDuplicates(devices: Hardware[], now: string): Hardware[] {
  const sources = new Map<string, Set<string>>();
  for (const { uuid, source } of devices) sources.set(uuid, (sources.get(uuid) ?? new Set()).add(source));
  return devices.map((device) => {
    const named = sources.get(device.uuid);
    if (!named || named.size < 2) return device;
    const others = [...named].filter((name) => name !== device.source).sort();
    const condition: Condition = {
      type: "DuplicateIdentity",
      status: "true",
      reason: "ReportedTwice",
      message: `also reported by ${others.join(", ")}`,
      action: `stop one of ${[device.source, ...others].sort().join(", ")}, or leave it out with --drivers`,
      since: now,
    };
    const told = device.acc_status.conditions.filter(({ type }) => type !== condition.type);
    // One too many and the tier above would refuse the device: the driver's last makes room.
    const kept = told.slice(0, CONDITIONS - 1);
    return { ...device, acc_status: { ...device.acc_status, conditions: [...kept, condition] } };
  });
}
