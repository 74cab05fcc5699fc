import type { Condition } from "../../contract/condition.ts";
import type { Hardware } from "../../contract/hardware.ts";
import type { Pci } from "../../contract/pci.ts";
import { deriveStatus } from "../../drivers/status.ts";
import { type Rule, ruleText } from "../desired/rule.ts";
import { isViable } from "../facts/facts.ts";
import { groupMembers, virtualFunctions } from "../facts/functions.ts";
import { readIommu } from "../facts/iommu.ts";
import { attribute, linkName } from "../facts/tree.ts";
import { rebootFor } from "../plan/refusals.ts";
import type { DeviceRecord } from "./records.ts";

/** Where is looked, beside what the scan has said: at links only, which wait for no device. */
export interface Roots {
  sysfs: string;
  proc: string;
}

/** The device with its Configured condition, and what follows from it. */
export function withConfigured(
  device: Hardware,
  { pci, rule, record, roots, now }: { pci: Pci; rule: Rule; record: DeviceRecord; roots: Roots; now: Date },
): Hardware {
  const given = device.acc_status.conditions.map((one) => asWanted(one, pci, rule.kernel_driver));
  const own: Condition = { type: "Configured", ...judge(device, pci, rule, record, roots), since: now.toISOString() };
  return withConditions(device, inPlace(given, own));
}

/** A VF whose PF's rule says what is bound to it: it is as wanted by that one. */
export function withVfDriver(
  device: Hardware,
  { pci, driver, pf, now }: { pci: Pci; driver: string | null; pf: string; now: Date },
): Hardware {
  const given = device.acc_status.conditions.map((one) => asWanted(one, pci, driver));
  const there = pci.kernel_driver === driver;
  const message = `${pci.kernel_driver ?? "no driver"} is bound${there ? "" : `, ${driver ?? "none"} is wanted`}, by the rule of its PF ${pf}`;
  const own: Condition = {
    type: "Configured",
    ...(there ? { status: "true", reason: "AsDesired" } : { status: "false", reason: "NotApplied" }),
    message,
    action: there ? null : `sinew apply ${pf}`,
    since: now.toISOString(),
  };
  return withConditions(device, inPlace(given, own));
}

/** After what it is about. */
const inPlace = (conditions: Condition[], own: Condition) =>
  conditions.toSpliced(conditions.findIndex(({ type }) => type === "DriverBound") + 1, 0, own);

const withConditions = (device: Hardware, conditions: Condition[]): Hardware => ({
  ...device,
  acc_status: { ...device.acc_status, ...deriveStatus(conditions), conditions },
});

/** No driver, or one that holds a function from others, is what was asked for. */
function asWanted(condition: Condition, { kernel_driver }: Pci, wanted: string | null | undefined): Condition {
  if (condition.type !== "DriverBound" || wanted === undefined || wanted !== kernel_driver) return condition;
  const message = `${kernel_driver ?? "no kernel driver"} is bound, as configured`;
  return {
    ...condition,
    status: "true",
    reason: kernel_driver === null ? "NoneWanted" : "Bound",
    message,
    action: null,
  };
}

type Said = Pick<Condition, "status" | "reason" | "message" | "action">;

function judge(device: Hardware, pci: Pci, rule: Rule, record: DeviceRecord, roots: Roots): Said {
  const observed = device.acc_status.conditions.find(({ type }) => type === "DriverBound");
  if (observed?.reason === "NotObservable") {
    return { status: "unknown", reason: "NotObservable", message: observed.message, action: null };
  }
  const wrong = differences(pci, rule, roots);
  if (wrong.length === 0) return { status: "true", reason: "AsDesired", message: asDesired(rule), action: null };
  const message = wrong.join("; ");
  const action = `sinew apply ${pci.address}`;
  const not = (reason: string, more = "", does: string | null = action): Said => ({
    status: "false",
    reason,
    message: `${message}${more}`,
    action: does,
  });
  const same = ruleText(rule);
  // A revert forgets failures: one that is there came after it, when somebody had asked again.
  if (record.reverted === same && record.failure?.rule !== same) {
    return not("Reverted", "; it was reverted, and stays so until somebody asks again");
  }
  const iommu = readIommu(roots);
  const vfio = wantsVfio(pci, rule);
  if (vfio && pci.iommu_group === null && iommu.groups === 0 && !iommu.unsafe) {
    const { reason, setting } = rebootFor(iommu);
    return not("RebootNeeded", `; ${reason}`, `Set ${setting} and restart; then: ${action}`);
  }
  if (record.failure?.rule === same) return not("Failed", `; ${record.failure.message}`, `sinew plan ${pci.address}`);
  if (record.original) return not("Drift", "; it was set up, and is not as it was left");
  return not("NotApplied");
}

const wantsVfio = ({ kernel_driver }: Pci, rule: Rule) =>
  (rule.kernel_driver === "vfio-pci" && kernel_driver !== "vfio-pci") ||
  (rule.vf_driver === "vfio-pci" && (rule.sriov_vfs ?? 1) > 0);

/** What is not as the rule wants it, each in words. */
function differences(pci: Pci, rule: Rule, { sysfs }: Roots): string[] {
  const wrong: string[] = [];
  const { kernel_driver, sriov_vfs, vf_driver } = rule;
  if (kernel_driver !== undefined && kernel_driver !== pci.kernel_driver) {
    wrong.push(`${pci.kernel_driver ?? "no driver"} is bound, ${kernel_driver ?? "none"} is wanted`);
  } else if (kernel_driver === "vfio-pci") wrong.push(...notViable(sysfs, pci.address, pci.iommu_group));
  const enabled = pci.sriov?.enabled ?? 0;
  if (sriov_vfs !== undefined && sriov_vfs !== enabled) wrong.push(`${enabled} of ${sriov_vfs} VFs are there`);
  if (vf_driver === undefined || wrong.length > 0) return wrong;
  for (const [index, vf] of virtualFunctions(sysfs, pci.address, enabled).entries()) {
    const driver = vf && linkName(`${sysfs}/bus/pci/devices/${vf}/driver`);
    if (vf === null) wrong.push(`VF ${index} is not there`);
    else if (driver !== vf_driver)
      wrong.push(`${driver ?? "no driver"} is bound to VF ${index} (${vf}), ${vf_driver ?? "none"} is wanted`);
    else if (vf_driver === "vfio-pci") {
      const group = Number(linkName(`${sysfs}/bus/pci/devices/${vf}/iommu_group`) ?? Number.NaN);
      wrong.push(...notViable(sysfs, vf, Number.isInteger(group) ? group : null));
    }
  }
  return wrong;
}

/** Who keeps VFIO from opening the group of a function that is on vfio-pci. */
function notViable(sysfs: string, address: string, group: number | null): string[] {
  if (group === null) return [`${address} is in no IOMMU group: nobody can open it`];
  return groupMembers(sysfs, group).flatMap((member) => {
    const at = `${sysfs}/bus/pci/devices/${member}`;
    const kernel_driver = linkName(`${at}/driver`);
    const code = attribute(`${at}/class`)?.replace(/^0x/, "") ?? "";
    if (isViable({ class: code, kernel_driver })) return [];
    return [`IOMMU group ${group} is not viable: ${member} is on ${kernel_driver}`];
  });
}

function asDesired({ kernel_driver, sriov_vfs, vf_driver }: Rule): string {
  return [
    ...(kernel_driver === undefined ? [] : [`${kernel_driver ?? "no driver"} is bound`]),
    ...(sriov_vfs === undefined ? [] : [`${sriov_vfs} VFs are there`]),
    ...(vf_driver === undefined ? [] : [`${vf_driver ?? "no driver"} is bound to each VF`]),
  ].join("; ");
}
