import type { SetupPlan, SetupRefusal } from "../../contract/device/setup.ts";
import { type Facts, type Holder, type IommuFacts, isBridge, isViable } from "../facts/facts.ts";
import type { Step, Target } from "./steps.ts";

/** Refusals of what would not work, however much it is wanted. */
const FINAL = new Set([
  "no-rule",
  "reboot-needed",
  "no-iommu-group",
  "group-not-viable",
  "driver-missing",
  "no-driver",
  "no-sriov",
  "group-vfs-enabled",
  "too-many-vfs",
  "read-only",
  // Of a tier that sets nothing up (src/tiers/care).
  "unsupported",
]);

/** What is left of the refusals once those named in `force` are overridden. */
export const remaining = (refusals: readonly SetupRefusal[], force: readonly string[] = []): SetupRefusal[] =>
  refusals.filter(({ name }) => FINAL.has(name) || !force.includes(name));

export const canForce = (name: string): boolean => !FINAL.has(name);

interface Planned {
  facts: Facts;
  target: Target;
  steps: readonly Step[];
  /** Members of the group that the plan writes to, and what they are then. */
  after: ReadonlyMap<string, { kernel_driver: string | null }>;
}

const VFIO = "vfio-pci";
const wantsVfio = (target: Target) => target.driver === VFIO || target.vf?.(0).driver === VFIO;

/** Why a reboot has to come first; null: it does not. */
export function rebootOf({ facts, target, steps }: Pick<Planned, "facts" | "target" | "steps">): SetupPlan["reboot"] {
  const { device, iommu } = facts;
  if (!wantsVfio(target) || steps.length === 0 || device.iommu_group !== null || iommu.groups > 0) return null;
  return iommu.unsafe ? null : rebootFor(iommu);
}

/** The setting that gives this host an IOMMU. Not to be asked where it has groups. */
export function rebootFor({ told, table, offBy, vendor }: IommuFacts): { reason: string; setting: string } {
  const name =
    vendor === "AMD" || table === "IVRS" ? "AMD-Vi" : vendor === "Intel" || table === "DMAR" ? "VT-d" : "IOMMU";
  if (table === null) {
    const none = told
      ? "the firmware describes none"
      : "the kernel has made no groups; the firmware's tables cannot be seen from here";
    return {
      reason: `vfio-pci needs an IOMMU, and ${none}${offBy ? `, with ${offBy} on the kernel command line` : ""}`,
      setting: `${name} in the firmware (a virtual machine: an IOMMU device)`,
    };
  }
  const on = table === "DMAR" ? "intel_iommu=on" : table === "IVRS" ? "amd_iommu=on" : "iommu.passthrough=0";
  return {
    reason: `vfio-pci needs an IOMMU; the firmware describes one (${table}), and the kernel has made no groups`,
    setting: offBy ? `${on} in the place of ${offBy} on the kernel command line` : `${on} on the kernel command line`,
  };
}

/** Everything that speaks against a plan. A plan that writes nothing has nothing against it. */
export function refusalsOf(planned: Planned): SetupRefusal[] {
  const refusals = new Map<string, string[]>();
  const refuse = (name: string, reason: string) => {
    refusals.set(name, [...(refusals.get(name) ?? []), reason]);
  };
  vfs(planned, refuse);
  if (planned.steps.length > 0) {
    impossible(planned, refuse);
    for (const holder of planned.facts.holders) held(planned, holder, refuse);
  }
  notViable(planned, refuse);
  return [...refusals].map(([name, reasons]) => ({ name, reason: [...new Set(reasons)].join("; ") }));
}

type Refuse = (name: string, reason: string) => void;

function impossible({ facts, target, steps }: Planned, refuse: Refuse): void {
  const { device, iommu, drivers } = facts;
  const reboot = rebootOf({ facts, target, steps });
  if (reboot) refuse("reboot-needed", `${reboot.reason}; set ${reboot.setting} and restart`);
  else if (wantsVfio(target) && device.iommu_group === null) {
    if (iommu.unsafe) refuse("no-iommu", "without an IOMMU whoever has the device can write to all memory");
    else refuse("no-iommu-group", `${device.address} is in no IOMMU group, while other functions are in one`);
  }
  const bound = new Set(steps.flatMap((step) => (step.kind === "probe" ? [step.address] : [])));
  const wanted = [bound.has(device.address) ? target.driver : null, bound.size > 0 ? target.vf?.(0).driver : null];
  for (const driver of new Set(wanted)) {
    if (!driver || drivers.includes(driver)) continue;
    refuse(
      "driver-missing",
      `the kernel has no driver ${driver} at present; load its module, such as \`modprobe ${driver}\``,
    );
  }
  if (facts.readOnly !== null) {
    refuse("read-only", `${facts.readOnly}; the agent has to run as root, with a writable /sys`);
  }
}

/** What must not be lost by a name that stands for something lesser as well. */
const GRAVE = new Set(["default-route", "conductor-connection", "mounted", "swap", "console"]);

function vfs({ facts: { device }, target, steps }: Planned, refuse: Refuse): void {
  const wanted = target.vfs ?? 0;
  const { address, sriov } = device;
  if (wanted > 0 && sriov === null) refuse("no-sriov", `${address} has no SR-IOV`);
  else if (wanted > (sriov?.total ?? 0) && sriov)
    refuse("too-many-vfs", `${address} has ${sriov.total} VFs at most, ${wanted} are wanted`);
  const driver = target.driver === undefined ? device.kernel_driver : target.driver;
  if (wanted > 0 && sriov?.enabled !== wanted && driver === null) {
    refuse("no-driver", `no kernel driver is bound to ${address}, and it is the driver that makes VFs`);
  }
  const loses = target.driver !== undefined && target.driver !== device.kernel_driver;
  if (loses && target.vfs === undefined && (sriov?.enabled ?? 0) > 0) {
    refuse(
      "vfs-enabled",
      `${address} has ${sriov?.enabled} VFs, which go with its driver; sriov_vfs says how many are wanted`,
    );
  }
  // Who uses those is not looked at, and a rollback would not know what they were.
  for (const step of steps.filter(({ kind, address: of }) => kind === "vfs" && of !== address)) {
    const reason = `${step.address}, in the same IOMMU group, has ${step.write.from} VFs, which go with its driver; take them away first, by a setup of its own`;
    refuse("group-vfs-enabled", reason);
  }
}

/** What a holder would lose. A function loses its users with its driver, and a VF with its PF's number of VFs. */
function held({ facts, steps, target }: Planned, holder: Holder, refuse: Refuse): void {
  const { device, group, vfs } = facts;
  const { address, refusal, message } = holder;
  if (refusal === null) return;
  // Whatever is not seen may be about any of them.
  if (refusal === "unseen") {
    if (steps.some(({ kind, write }) => kind === "unbind" || (kind === "vfs" && write.to === "0")))
      refuse(refusal, message);
    return;
  }
  const taken = (one: string) => steps.some((step) => step.address === one && ["unbind", "probe"].includes(step.kind));
  const cleared = steps.some((step) => step.address === device.address && step.kind === "vfs");
  if (address === device.address) {
    if (taken(address)) refuse(refusal, message);
  } else if (vfs.some((vf) => vf.address === address)) {
    const name = GRAVE.has(refusal) ? `vf-${refusal}` : "vf-in-use";
    if (cleared || taken(address)) refuse(name, `the VF ${address}: ${message}`);
  } else if (group.some((one) => one.address === address)) {
    // Whoever opens the group has all of it.
    if (taken(address) || (target.driver === VFIO && taken(device.address))) {
      refuse(`group-${refusal}`, `${address}, in the same IOMMU group: ${message}`);
    }
  }
}

function notViable({ facts, target, after }: Planned, refuse: Refuse): void {
  if (target.driver !== VFIO) return;
  for (const fn of facts.group) {
    const then = { ...fn, ...after.get(fn.address) };
    if (isViable(then) || isBridge(fn)) continue;
    const group = `IOMMU group ${facts.device.iommu_group}`;
    refuse(
      "group-not-viable",
      `${fn.address} is in ${group}, too, on ${then.kernel_driver}: VFIO opens a group only with all of it on vfio-pci, pci-stub or no driver; a rule for it is missing, or was reverted`,
    );
  }
}
