import { readdirSync, readlinkSync, statSync } from "node:fs";
import type { Block } from "./blocks.ts";
import type { FactsQuery, FunctionFacts, Holder } from "./facts.ts";
import { addressIn, attribute, contents, isAddress, link, names, numbersOf } from "./tree.ts";

/** Folders of a function's directory that are deep enough for `nvme/nvme0/nvme0n1/dev` and `drm/card0/dev`. */
const DEPTH = 5;

/** Processes that have a node of these functions open; and of whom it cannot be seen, where there is one to open. */
export function processHolders(
  { sysfs, proc }: FactsQuery,
  functions: readonly FunctionFacts[],
  blocks: readonly Block[],
): { holders: Holder[]; unseen: string | null } {
  const nodes = new Map<string, string>();
  let canBeOpened = blocks.length > 0;
  for (const fn of functions) {
    // A group's node is that of all its members: it is told of once, for the device.
    for (const node of nodesOf(sysfs, proc, fn)) {
      if (!nodes.has(node)) nodes.set(node, fn.address);
      // A group's node is there when VFIO has a member of it.
      canBeOpened ||= !node.startsWith("/dev/vfio/") || fn.kernel_driver?.includes("vfio") === true;
    }
  }
  for (const { name, dev, owners } of blocks) {
    const [owner] = owners;
    if (owner) nodes.set(`/dev/${name}`, owner);
    if (owner && dev !== null) nodes.set(`b${dev}`, owner);
  }
  const addresses = new Set(functions.map(({ address }) => address));
  const holders: Holder[] = [];
  let unseen = 0;
  for (const pid of names(proc).filter((name) => /^\d+$/.test(name))) {
    const seen = new Set<string>();
    const files = openFiles(`${proc}/${pid}`);
    if (files === null) unseen += 1;
    for (const [path, target] of files ?? []) {
      const address = holds(path, target, nodes, addresses);
      if (!address || seen.has(`${address} ${target}`)) continue;
      seen.add(`${address} ${target}`);
      const name = `${attribute(`${proc}/${pid}/comm`) ?? "a process"}[${pid}]`;
      holders.push({ kind: "process", name, address, message: `${name} has ${target} open`, refusal: "held-open" });
    }
  }
  return { holders, unseen: canBeOpened ? unseenOf(proc, unseen) : null };
}

/** The inode of the PID namespace that the kernel starts with: PROC_PID_INIT_INO of linux/proc_ns.h. */
const FIRST_NAMESPACE = "pid:[4026531836]";

function unseenOf(proc: string, unseen: number): string | null {
  // Of a tree that is no procfs there is no such link.
  const namespace = link(`${proc}/1/ns/pid`);
  if (namespace !== null && namespace !== FIRST_NAMESPACE) {
    return "processes and mounts outside this container cannot be seen: that takes the host's PID namespace";
  }
  if (unseen === 0) return null;
  return `of ${unseen} ${unseen > 1 ? "processes" : "process"} it cannot be seen what they have open: that takes root with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH`;
}

/** PF_KTHREAD of linux/sched.h. */
const KERNEL_THREAD = 0x200000;

/** What a process has open, each with where its link leads; null: that is not shown to this process. */
function openFiles(at: string): [path: string, target: string][] | null {
  const found: [string, string][] = [];
  try {
    for (const fd of readdirSync(`${at}/fd`)) {
      const target = targetOf(`${at}/fd/${fd}`);
      if (target !== null) found.push([`${at}/fd/${fd}`, target]);
    }
    return found;
  } catch (error) {
    if (isGone(error)) return found;
    // proc(5): state and flags are the first and the seventh field after the name. These have nothing open.
    const [state = "", , , , , , flags = "0"] = (contents(`${at}/stat`) ?? "").split(") ").at(-1)?.split(" ") ?? [];
    return ["Z", "X"].includes(state) || (Number(flags) & KERNEL_THREAD) !== 0 ? found : null;
  }
}

function targetOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (isGone(error)) return null; // it has closed it since
    throw error;
  }
}

const isGone = (error: unknown) =>
  error instanceof Error && "code" in error && ["ENOENT", "ESRCH", "ENOTDIR"].includes(String(error.code));

function holds(path: string, target: string, nodes: Map<string, string>, addresses: Set<string>): string | null {
  // A BAR that is mapped through sysfs.
  if (/\/resource\d+(_wc)?$/.test(target)) return addressIn(target, addresses);
  // Only in /dev: a look at a file elsewhere may wait for a server that is away.
  if (!target.startsWith("/dev/")) return null;
  return nodes.get(target) ?? nodes.get(numbers(path) ?? "") ?? null;
}

/** `c226:0` or `b259:0` of the node that is open: it may go by another name there. */
function numbers(path: string): string | null {
  try {
    const stat = statSync(path);
    const kind = stat.isCharacterDevice() ? "c" : stat.isBlockDevice() ? "b" : null;
    return kind && `${kind}${numbersOf(stat.rdev)}`;
  } catch {
    return null; // it has closed it since, or the node is gone
  }
}

/** Where a function can be opened: paths in /dev, and numbers. */
function nodesOf(sysfs: string, proc: string, { address, iommu_group }: FunctionFacts): string[] {
  // The second is its node where VFIO does without an IOMMU.
  const found = iommu_group === null ? [] : [`/dev/vfio/${iommu_group}`, `/dev/vfio/noiommu-${iommu_group}`];
  // The proprietary driver has no node in sysfs.
  const minor = /^Device Minor:\s*(\d+)/m.exec(
    contents(`${proc}/driver/nvidia/gpus/${address}/information`) ?? "",
  )?.[1];
  if (minor !== undefined) found.push(`/dev/nvidia${minor}`);
  const walk = (at: string, depth: number): void => {
    for (const entry of entries(at)) {
      if (entry.name === "dev" && entry.isFile()) {
        const name = /^DEVNAME=(.+)$/m.exec(contents(`${at}/uevent`) ?? "")?.[1];
        const dev = attribute(`${at}/dev`);
        if (name) found.push(`/dev/${name}`);
        if (dev && !at.includes("/block/")) found.push(`c${dev}`);
      } else if (depth < DEPTH && entry.isDirectory() && !isAddress(entry.name) && entry.name !== "power") {
        walk(`${at}/${entry.name}`, depth + 1);
      }
    }
  };
  walk(`${sysfs}/bus/pci/devices/${address}`, 0);
  return found;
}

function entries(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return []; // it left meanwhile, and with it whoever could hold it
  }
}
