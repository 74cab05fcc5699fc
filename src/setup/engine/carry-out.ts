import type { HistoryEntry } from "../../contract/device/setup.ts";
import type { OperationChild } from "../../contract/operation.ts";
import { type Facts, isViableGroup } from "../facts/facts.ts";
import { BlockedError, type Hands } from "../hands/hands.ts";
import { type Aim, stepsTo } from "../plan/plan.ts";
import type { Step, Target } from "../plan/steps.ts";

/** How long the kernel is given. Making a VF takes some cards a second. */
export interface Deadlines {
  stepMs: number;
  vfMs: number;
  /** From the last write to what is read back. */
  settleMs: number;
  pollMs: number;
}

export interface Work {
  sysfs: string;
  hands: Hands;
  deadlines: Deadlines;
  look(): Promise<Facts>;
  /** What is wanted, of what is there now. */
  aims(facts: Facts): Aim[];
  /** Journal and history: before a write begins, when a rejection keeps it from being done, and when it has ended. */
  note(step: Step, outcome: HistoryEntry["outcome"] | null, message: string | null): Promise<void>;
  progress: Progress;
  now(): number;
  sleep(ms: number): Promise<void>;
}

/** The steps of one operation as its reader sees them. */
export interface Progress {
  plan(names: string[]): void;
  begin(name: string): void;
  end(error: string | null): void;
}

/** Writes what is missing, and resolves when all of it is read back. Throws what went wrong; the rest is not done. */
export async function carryOut(work: Work): Promise<void> {
  // Once more after VFs were made: only now is it known what they are. And no more than that, whatever is read.
  for (let round = 0; round < 2; round += 1) {
    const steps = missing(work, await work.look());
    const made = steps.findIndex(({ kind, write }) => kind === "vfs" && write.to !== "0");
    work.progress.plan(steps.map(({ name }) => name));
    for (const step of made < 0 ? steps : steps.slice(0, made + 1)) await doStep(work, step);
    if (made < 0) break;
    const wanted = Number(steps[made]?.write.to);
    await until(work, deadlineOf(work, steps[made]), (facts) => vfsMissing(facts, wanted));
  }
  await until(work, work.deadlines.settleMs, (facts) => notThere(work.sysfs, facts, work.aims(facts)));
}

const missing = (work: Work, facts: Facts) => stepsTo(work.sysfs, work.aims(facts));

async function doStep(work: Work, step: Step): Promise<void> {
  work.progress.begin(step.name);
  try {
    await work.note(step, null, null);
    await work.hands.write(step.write.path, step.write.to, deadlineOf(work, step));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    work.progress.end(message);
    await work.note(step, error instanceof BlockedError ? "blocked" : "failed", message);
    throw error;
  }
  work.progress.end(null);
  await work.note(step, "done", null);
}

const deadlineOf = ({ deadlines }: Work, step: Step | undefined) =>
  deadlines.stepMs + (step?.kind === "vfs" ? Number(step.write.to) * deadlines.vfMs : 0);

/** Looks until nothing is wrong any more. Throws with what still was when the time is over. */
async function until(work: Work, ms: number, wrong: (facts: Facts) => string | null): Promise<void> {
  const end = work.now() + ms;
  for (;;) {
    const found = wrong(await work.look());
    if (found === null) return;
    if (work.now() >= end) throw new Error(found);
    await work.sleep(work.deadlines.pollMs);
  }
}

function vfsMissing({ device, vfs }: Facts, wanted: number): string | null {
  if (device.sriov?.enabled === wanted && vfs.length === wanted) return null;
  return `read back: ${vfs.length} of ${wanted} VFs of ${device.address} are there`;
}

/** What is not as it should be, by all that can be read; null: all is. */
export function notThere(sysfs: string, facts: Facts, aims: readonly Aim[]): string | null {
  const left = stepsTo(sysfs, aims);
  if (left.length > 0) {
    return `the kernel took every write, and read back, this did not happen: ${left.map(({ name }) => name).join("; ")}`;
  }
  const own = aims.find(({ fn }) => fn.address === facts.device.address)?.target;
  const count = own?.vfs ?? 0;
  const missingVfs = count > 0 ? vfsMissing(facts, count) : null;
  // What is back to what it was may have been of no use to VFIO.
  return missingVfs ?? (own && !own.exact ? unusable(facts, own) : null);
}

/** VFIO refuses a group with a member on a host driver, and says so only to who opens it. */
function unusable(facts: Facts, own: Target): string | null {
  const bound = [
    ...(own.driver === "vfio-pci" ? [facts.device] : []),
    ...(own.vf?.(0).driver === "vfio-pci" ? facts.vfs : []),
  ];
  for (const fn of bound) {
    if (fn.iommu_group === null) {
      if (!facts.iommu.unsafe) return `${fn.address} is on vfio-pci and in no IOMMU group: nobody can open it`;
    } else if (!isViableGroup(facts, fn.iommu_group)) {
      return `${fn.address} is on vfio-pci, but IOMMU group ${fn.iommu_group} is not viable: another member is on a host driver`;
    }
  }
  return null;
}

/** Keeps the list of steps that an operation shows: done ones stay, planned ones can change as VFs come. */
export function createProgress(
  onProgress: (steps: OperationChild[]) => void,
): Progress & { failRest(why: string): void } {
  const done: OperationChild[] = [];
  let planned: string[] = [];
  const child = (name: string, status: OperationChild["status"], error: string | null = null): OperationChild => ({
    name,
    endpoint: null,
    status,
    found: null,
    error,
  });
  const tell = () =>
    onProgress([...done, ...planned.map((name) => child(name, "IN-PROGRESS"))].map((one) => ({ ...one })));
  return {
    plan(names) {
      planned = [...names];
      tell();
    },
    begin(name) {
      planned = planned[0] === name ? planned.slice(1) : planned;
      done.push(child(name, "IN-PROGRESS"));
      tell();
    },
    end(error) {
      const last = done.at(-1);
      if (last) Object.assign(last, { status: error === null ? "SUCCEEDED" : "FAILED", error });
      tell();
    },
    failRest(why) {
      done.push(...planned.map((name) => child(name, "FAILED", why)));
      planned = [];
      tell();
    },
  };
}
