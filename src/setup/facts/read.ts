import { accessSync, constants } from "node:fs";
import { blockHolders, readBlocks } from "./blocks.ts";
import type { Facts, FactsQuery, FunctionFacts, Holder } from "./facts.ts";
import { groupMembers, readFunction } from "./functions.ts";
import { readIommu } from "./iommu.ts";
import { netdevHolders } from "./netdevs.ts";
import { processHolders } from "./processes.ts";
import { addressIn, attribute, exists, names, real } from "./tree.ts";

/** Of one kind and function; a host with containers has hundreds of mounts. */
const SHOWN = 10;

/** Everything a plan for the function at `address` is made from; null: it is not there. Blocks. */
export function readFacts(query: FactsQuery): Facts | null {
  const { sysfs, address } = query;
  const device = readFunction(sysfs, address);
  if (!device) return null;
  const others = device.iommu_group === null ? [] : groupMembers(sysfs, device.iommu_group);
  const group = present(others.filter((one) => one !== address).map((one) => readFunction(sysfs, one)));
  const vfs = present((device.sriov?.vfs ?? []).map((one) => one && readFunction(sysfs, one)));
  const known = new Set([address, ...[...group, ...vfs].map((one) => one.address)]);
  const groups = new Set(vfs.flatMap(({ iommu_group }) => iommu_group ?? []));
  const beside = [...groups].flatMap((number) => groupMembers(sysfs, number)).filter((one) => !known.has(one));
  return {
    device,
    group,
    vfs,
    besideVfs: present(beside.map((one) => readFunction(sysfs, one))),
    holders: query.holders ? readHolders(query, [device, ...group, ...vfs]) : [],
    iommu: readIommu(query),
    drivers: query.drivers.filter((name) => exists(`${sysfs}/bus/pci/drivers/${name}`)),
    readOnly: readOnly(sysfs, address),
  };
}

const present = <T>(list: (T | null | "")[]): T[] => list.filter((one): one is T => one !== null && one !== "");

function readHolders(query: FactsQuery, functions: FunctionFacts[]): Holder[] {
  const addresses = new Set(functions.map(({ address }) => address));
  const blocks = readBlocks(query.sysfs, addresses);
  const { holders: processes, unseen } = processHolders(query, functions, blocks);
  const [first] = functions;
  const all = [
    ...netdevHolders(query, addresses),
    ...blockHolders(query, blocks),
    ...consoles(query.sysfs, addresses),
    ...processes,
  ];
  if (unseen !== null && first) {
    all.push({ kind: "unseen", name: "processes", address: first.address, message: unseen, refusal: "unseen" });
  }
  const shown = new Map<string, Holder[]>();
  for (const holder of all) {
    const key = `${holder.kind} ${holder.address} ${holder.refusal}`;
    shown.set(key, [...(shown.get(key) ?? []), holder]);
  }
  return [...shown.values()].flatMap((same) => {
    const last = same[SHOWN - 1];
    const more = last && same.length > SHOWN ? `; and ${same.length - SHOWN} more` : "";
    return same.slice(0, SHOWN).map((holder) => (holder === last ? { ...last, message: last.message + more } : holder));
  });
}

/** The display that the firmware started, or that has the console's frame buffer. */
function consoles(sysfs: string, addresses: ReadonlySet<string>): Holder[] {
  const terminals = `${sysfs}/class/vtconsole`;
  const framed = names(terminals).some(
    (name) =>
      attribute(`${terminals}/${name}/bind`) === "1" &&
      attribute(`${terminals}/${name}/name`)?.includes("frame buffer"),
  );
  const buffers = framed ? names(`${sysfs}/class/graphics`).filter((name) => /^fb\d+$/.test(name)) : [];
  return [...addresses].flatMap((address) => {
    const fb = buffers.find((name) => addressIn(real(`${sysfs}/class/graphics/${name}`) ?? "", addresses) === address);
    const boot = attribute(`${sysfs}/bus/pci/devices/${address}/boot_vga`) === "1";
    if (!fb && !boot) return [];
    const message = fb
      ? `the console may be shown on its frame buffer ${fb}`
      : "it is the display that the firmware started";
    return [{ kind: "console", name: fb ?? "boot_vga", address, message, refusal: "console" }];
  });
}

/** Why nothing could be written; null: it could, or a recorded tree has no such file. */
function readOnly(sysfs: string, address: string): string | null {
  for (const path of [`${sysfs}/bus/pci/devices/${address}/driver_override`, `${sysfs}/bus/pci/drivers_probe`]) {
    try {
      accessSync(path, constants.W_OK);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (code === "EROFS") return `${path} is on a read-only file system`;
      if (code === "EACCES" || code === "EPERM") return `${path} may not be written by this process`;
    }
  }
  return null;
}
