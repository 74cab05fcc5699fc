import type { SetupPlan } from "../../contract/device/setup.ts";
import type { Wanted } from "../desired/rule.ts";
import { type Facts, type FunctionFacts, isBridge, isViableGroup } from "../facts/facts.ts";
import { rebootOf, refusalsOf } from "./refusals.ts";
import { type Original, originalOf, reached, type Step, stepsOf, type Target, targetBack } from "./steps.ts";

/** A function that a plan is about, and what it is to be. */
export interface Aim {
  fn: FunctionFacts;
  vfs: FunctionFacts[];
  target: Target;
  /** What it was before its first setup; null: this would be the first. */
  original: Original | null;
}

export interface PlanInput {
  sysfs: string;
  facts: Facts;
  /** Null: no rule is about the device. */
  desired: Wanted | null;
  /** The device, and the members of its group that rules are about, too. */
  aims: Aim[];
  nameOf(fn: FunctionFacts): string;
}

/** The steps to all aims, in order. */
export const stepsTo = (sysfs: string, aims: readonly Aim[]): Step[] =>
  aims.flatMap(({ fn, vfs, target }) => stepsOf(sysfs, fn, vfs, target));

/** What would be written to reach the aims, and all that a person wants to know before. Pure. */
export function makePlan({ sysfs, facts, desired, aims, nameOf }: PlanInput): SetupPlan {
  const { device, group } = facts;
  const steps = stepsTo(sysfs, aims);
  const target = aims.find(({ fn }) => fn.address === device.address)?.target ?? { exact: false };
  const after = new Map(aims.map(({ fn, vfs, target }) => [fn.address, reached(fn, vfs, target)[0]]));
  return {
    desired: desired && shownOf(desired),
    writes: steps.map(({ write }) => write),
    group:
      device.iommu_group === null
        ? null
        : {
            number: device.iommu_group,
            viable: isViableGroup(facts, device.iommu_group),
            members: [device, ...group].map((fn) => ({
              address: fn.address,
              name: nameOf(fn),
              kernel_driver: fn.kernel_driver,
              bridge: isBridge(fn),
            })),
          },
    holders: facts.holders.map(({ refusal: _, ...holder }) => holder),
    reboot: rebootOf({ facts, target, steps }),
    undo: undoOf(sysfs, aims, steps),
    refusals: refusalsOf({ facts, target, steps, after }),
  };
}

const shownOf = ({ kernel_driver, sriov_vfs, vf_driver }: Wanted): Wanted => ({
  ...(kernel_driver === undefined ? {} : { kernel_driver }),
  ...(sriov_vfs === undefined ? {} : { sriov_vfs }),
  ...(vf_driver === undefined ? {} : { vf_driver }),
});

/** Back to what was before the first setup; of a plan that changes nothing, still. */
function undoOf(sysfs: string, aims: readonly Aim[], steps: readonly Step[]): SetupPlan["undo"] {
  return [...aims].reverse().flatMap(({ fn, vfs, target, original }) => {
    const changes = steps.some(({ address }) => address === fn.address || vfs.some((vf) => vf.address === address));
    if (original === null && !changes) return [];
    const [own, then] = reached(fn, vfs, target);
    const back = targetBack(original ?? originalOf(fn, vfs));
    return stepsOf(sysfs, own, then, back).map(({ write }) => write);
  });
}
