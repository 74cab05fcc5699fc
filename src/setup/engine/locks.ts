import { SinewError } from "../../contract/problem.ts";
import { acquireLock } from "../../ffi/lock.ts";
import type { Facts } from "../facts/facts.ts";
import type { Records } from "./records.ts";

/**
 * What a setup of this device must be alone with: its IOMMU group, those of its VFs, and its PF. Locks are flock(2)s of
 * files in the state directory, as each driver may be a process of its own; they die with their holder.
 */
export function lockNames({ device, vfs }: Pick<Facts, "device" | "vfs">): string[] {
  const nameOf = ({ iommu_group, address }: { iommu_group: number | null; address: string }) =>
    iommu_group === null ? `device-${address}` : `group-${iommu_group}`;
  const names = [device, ...vfs].map(nameOf);
  // A PF and its VFs share this one: the PF takes them away.
  names.push(`pf-${device.physfn ?? device.address}`);
  return [...new Set(names)].sort();
}

/** Takes all of them or none. Throws SinewError `busy` where another setup has one. */
export async function takeLocks(records: Records, names: readonly string[]): Promise<{ release(): void }> {
  const held: { release(): void }[] = [];
  const release = () => {
    for (const lock of held.splice(0)) lock.release();
  };
  try {
    for (const name of names) {
      const lock = acquireLock(await records.lockFile(name));
      if ("heldBy" in lock) {
        const by = lock.heldBy === null ? "" : ` (pid ${lock.heldBy})`;
        throw new SinewError(
          "busy",
          `another setup is at work on ${name.replace("-", " ")}${by}; try again when it has ended`,
        );
      }
      held.push(lock);
    }
    return { release };
  } catch (error) {
    release();
    throw error;
  }
}
