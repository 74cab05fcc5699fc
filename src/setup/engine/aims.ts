import { classify } from "../../drivers/registry.ts";
import { deviceUuid } from "../../pci/identity.ts";
import { type Matchable, type Rule, ruleFor, ruleText, type Wanted } from "../desired/rule.ts";
import type { Facts, FunctionFacts } from "../facts/facts.ts";
import type { Aim } from "../plan/plan.ts";
import { type Original, originalOf, targetBack, targetOf } from "../plan/steps.ts";
import type { JournalFunction } from "./records.ts";

/** How a function is named, known and remembered on this node. */
export interface Naming {
  nodeId: string;
  /** The uuid under which the node's agent lists what this driver calls `uuid`. */
  nodeUuid(driver: string, uuid: string): string | null;
  /** What is listed at an address; null: nothing is. */
  listed(address: string): { name: string; slot: string | null } | null;
}

/** The uuid that its driver gives a function. */
export const uuidOf = (nodeId: string, fn: FunctionFacts): string => deviceUuid(nodeId, fn);

/** The kind that lists it as a device; null: none does. */
export const kindOf = ({ vendor_id, device_id, class: code, address }: FunctionFacts) =>
  classify({ vendor_id, device_id, class: code, address, sriov: null })?.kind ?? null;

export function matchable({ nodeId, nodeUuid, listed }: Naming, fn: FunctionFacts): Matchable {
  const { vendor_id, device_id, address } = fn;
  const kind = kindOf(fn);
  const uuid = nodeUuid(kind?.name ?? "generic", uuidOf(nodeId, fn));
  return {
    device_type: kind?.deviceType ?? null,
    vendor_id,
    device_id,
    address,
    slot: listed(address)?.slot ?? null,
    uuid,
  };
}

/** VFs of a function, among the facts. */
const vfsOf = ({ device, vfs }: Facts, fn: FunctionFacts) => (fn.address === device.address ? vfs : []);

/**
 * The device by its rule, and with it the members of its group that are to be VFIO's, too: VFIO opens a group only as a
 * whole, so they can't be set up one after the other.
 */
export function wantedOf(
  facts: Facts,
  rule: Rule,
  rules: readonly Rule[],
  naming: Naming,
): (JournalFunction & { rule: string })[] {
  const to = (fn: FunctionFacts, by: Rule, { kernel_driver, sriov_vfs, vf_driver }: Wanted) => ({
    uuid: uuidOf(naming.nodeId, fn),
    address: fn.address,
    before: nowOf(facts, fn),
    to: { wanted: { kernel_driver, sriov_vfs, vf_driver } },
    rule: ruleText(by),
  });
  const all = [to(facts.device, rule, rule)];
  if (rule.kernel_driver !== "vfio-pci") return all;
  for (const member of facts.group) {
    const own = ruleFor(rules, matchable(naming, member));
    // Its VFs are its own setup's.
    if (own?.kernel_driver !== undefined) all.push(to(member, own, { kernel_driver: own.kernel_driver }));
  }
  return all;
}

/** Functions to what a journal says: `before` it, or to where it went. */
export function aimsIn(facts: Facts, functions: readonly JournalFunction[], which: "before" | "to"): Aim[] {
  const known = [facts.device, ...facts.group];
  const ordered = which === "to" ? [...functions] : [...functions].reverse();
  return ordered.flatMap(({ address, before, to }) => {
    const fn = known.find((one) => one.address === address);
    if (!fn) return [];
    const target =
      which === "before" ? targetBack(before) : "wanted" in to ? targetOf(to.wanted) : targetBack(to.original);
    return [{ fn, vfs: vfsOf(facts, fn), target, original: before }];
  });
}

/** What a function is now, to get back to. */
export const nowOf = (facts: Facts, fn: FunctionFacts): Original => originalOf(fn, vfsOf(facts, fn));

/** In words: what functions are now. */
export const stateOf = (facts: Facts, functions: readonly { address: string }[]): string =>
  [facts.device, ...facts.group]
    .filter((fn) => functions.some(({ address }) => address === fn.address))
    .map(({ address, kernel_driver, driver_override, sriov }) => {
      const override = driver_override === null ? "" : `, driver_override ${driver_override}`;
      const vfs = sriov && sriov.enabled > 0 ? `, ${sriov.enabled} VFs` : "";
      return `${address} on ${kernel_driver ?? "no driver"}${override}${vfs}`;
    })
    .join("; ");
