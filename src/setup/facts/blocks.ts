import { closeSync, constants, openSync, statSync } from "node:fs";
import type { FactsQuery, Holder } from "./facts.ts";
import { addressIn, attribute, contents, exists, names, numbersOf, real } from "./tree.ts";

/** A block device, and the functions that its data is on. */
export interface Block {
  name: string;
  /** `259:0`; null: not told. */
  dev: string | null;
  owners: ReadonlySet<string>;
  /** What is built on it: dm and md devices. */
  holders: string[];
}

/** Every block device that is on one of these functions, through partitions, device mapper, md and NVMe multipath. */
export function readBlocks(sysfs: string, addresses: ReadonlySet<string>): Block[] {
  return names(`${sysfs}/class/block`).flatMap((name) => {
    const at = `${sysfs}/class/block/${name}`;
    const owners = ownersOf(real(at) ?? at, addresses);
    if (owners.size === 0) return [];
    return [{ name, dev: attribute(`${at}/dev`), owners, holders: names(`${at}/holders`) }];
  });
}

/** Which of these functions are at the bottom of a block device. */
function ownersOf(path: string, addresses: ReadonlySet<string>, seen = new Set<string>()): Set<string> {
  const owners = new Set<string>();
  if (seen.has(path)) return owners;
  seen.add(path);
  const own = addressIn(path, addresses);
  if (own) owners.add(own);
  // A namespace that several controllers can reach hangs on none of them (drivers/nvme/host/multipath.c).
  const subsystem = /^.*\/nvme-subsys\d+(?=\/|$)/.exec(path)?.[0];
  const below = [
    ...(subsystem ? names(subsystem).flatMap((name) => (/^nvme\d+$/.test(name) ? [`${subsystem}/${name}`] : [])) : []),
    ...names(`${path}/slaves`).map((name) => `${path}/slaves/${name}`),
    // A partition is on what its disk is on.
    ...(exists(`${path}/partition`) ? [path.slice(0, path.lastIndexOf("/"))] : []),
  ];
  for (const one of below) for (const owner of ownersOf(real(one) ?? one, addresses, seen)) owners.add(owner);
  return owners;
}

/** Mounted filesystems, swap, and block devices that something else is built on. */
export function blockHolders({ sysfs, proc }: FactsQuery, blocks: readonly Block[]): Holder[] {
  if (blocks.length === 0) return [];
  const found: Holder[] = [];
  const hold = (kind: string, name: string, refusal: string, block: Block, message: string) => {
    for (const address of block.owners) found.push({ kind, name, address, message, refusal });
  };
  for (const { point, source, dev } of mounts(proc)) {
    const sources = sourcesOf(sysfs, source);
    for (const block of blocks.filter((one) => one.dev === dev || sources.includes(one.name))) {
      hold("mount", point, "mounted", block, `${point} is mounted from ${block.name}`);
    }
  }
  const swaps = contents(`${proc}/swaps`);
  for (const line of (swaps ?? "").split("\n").slice(1)) {
    const [file = ""] = line.split(/\s+/);
    const sources = sourcesOf(sysfs, unescaped(file));
    const block = blocks.find(({ name }) => sources.includes(name));
    if (block) hold("swap", file, "swap", block, `swap is on ${block.name}`);
  }
  const told = new Set(found.map(({ address }) => address));
  for (const block of blocks) {
    if ([...block.owners].some((owner) => told.has(owner))) continue;
    if (block.holders.length === 0 && isClaimed(block)) {
      const message = `the kernel has ${block.name} to itself: for a ZFS pool, or a filesystem that is mounted out of sight`;
      hold("block", block.name, "held-open", block, message);
    }
    if (block.holders.length === 0) continue;
    const above = block.holders.join(", ");
    hold(
      "block",
      above,
      "held-open",
      block,
      `${above} ${block.holders.length > 1 ? "are" : "is"} built on ${block.name}`,
    );
  }
  if (swaps === null && blocks[0]) hold("unseen", "swap", "unseen", blocks[0], `${proc}/swaps cannot be read here`);
  return found;
}

/** Whether something in the kernel has it for itself: only then it can't be had, for a moment, by another (open(2), O_EXCL). */
function isClaimed({ name, dev }: Block): boolean {
  const path = `/dev/${name}`;
  try {
    const stat = statSync(path);
    if (dev === null || !stat.isBlockDevice() || numbersOf(stat.rdev) !== dev) return false;
    closeSync(openSync(path, constants.O_RDONLY | constants.O_EXCL | constants.O_NONBLOCK));
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EBUSY";
  }
}

interface Mount {
  /** `259:2`; of filesystems that span devices it is of none. */
  dev: string;
  point: string;
  source: string;
}

/** As this process sees them and as the first does: a service may have a mount namespace of its own. */
function mounts(proc: string): Mount[] {
  const lines = ["self", "1"].flatMap((pid) => (contents(`${proc}/${pid}/mountinfo`) ?? "").split("\n"));
  return [...new Set(lines)].flatMap((line) => {
    // proc(5): id, parent, major:minor, root, mount point, options, optional fields, "-", type, source, options
    const [before = "", after = ""] = line.split(" - ");
    const [, , dev, , point] = before.split(" ");
    const source = after.split(" ")[1];
    return dev && point && source ? [{ dev, point: unescaped(point), source: unescaped(source) }] : [];
  });
}

/** proc(5) writes blanks in octal. */
const unescaped = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** The block devices that a path in /dev stands for: one, or all of its btrfs. */
function sourcesOf(sysfs: string, source: string): string[] {
  if (!source.startsWith("/dev/")) return [];
  const name = (real(source) ?? source).split("/").at(-1) ?? "";
  for (const id of names(`${sysfs}/fs/btrfs`)) {
    const all = names(`${sysfs}/fs/btrfs/${id}/devices`);
    if (all.includes(name)) return all;
  }
  return [name];
}
