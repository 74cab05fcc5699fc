import type { FactsQuery, Holder } from "./facts.ts";
import { routesOf } from "./routes.ts";
import { addressIn, attribute, contents, exists, linkName, names, real } from "./tree.ts";

/** IFF_UP of linux/if.h. */
const UP = 0x1;

/** Network devices of these functions: what hangs on them, through bonds, VLANs and bridges. */
export function netdevHolders(
  { sysfs, proc, conductor, interfaces }: FactsQuery,
  addresses: ReadonlySet<string>,
): Holder[] {
  const { defaults, ways } = routesOf(proc, conductor);
  const found: Holder[] = [];
  const seen = ownNames(proc);
  for (const name of names(`${sysfs}/class/net`)) {
    const path = real(`${sysfs}/class/net/${name}`);
    const address = path && addressIn(path, addresses);
    if (!address) continue;
    const all = withUppers(sysfs, name);
    const through = all.length > 1 ? `, through ${all.slice(1).join(", ")}` : "";
    const say = (refusal: string | null, message: string) =>
      found.push({ kind: "netdev", name, address, message, refusal });
    // fe80::/10 is there by itself: nobody was given it.
    const own = all.flatMap((one) => interfaces[one] ?? []).filter((ip) => !/^fe[89ab]/i.test(ip));
    const up = (Number.parseInt(attribute(`${path}/flags`) ?? "0", 16) & UP) !== 0;
    if (all.some((one) => defaults.includes(one)))
      say("default-route", `the default route goes over ${name}${through}`);
    if (all.some((one) => ways.includes(one)))
      say("conductor-connection", `the conductor is reached over ${name}${through}`);
    if (found.some((holder) => holder.name === name)) continue;
    const unseen = all.filter((one) => seen !== null && !seen.has(one));
    if (up && unseen.length > 0) {
      say("unseen", `${name} is up${through}; addresses and routes of ${unseen.join(", ")} are not seen from here`);
    } else if (up && own.length > 0) say("netdev-up", `${name} is up${through} with ${own.slice(0, 8).join(", ")}`);
    else if (up && all.length > 1) say("netdev-up", `${name} is up${through}, which has no address here`);
    else if (up) say(null, `${name} is up${through}, without an address`);
  }
  for (const address of addresses) {
    const at = `${sysfs}/bus/pci/devices/${address}`;
    // The kernel keeps the folder as long as a network device is in it, and shows those of one's own namespace alone.
    const folders = [
      `${at}/net`,
      ...names(at).flatMap((name) => (/^virtio\d+$/.test(name) ? [`${at}/${name}/net`] : [])),
    ];
    if (!folders.some((folder) => exists(folder) && names(folder).length === 0)) continue;
    const message = "its network device is in another network namespace, a container's for example";
    found.push({ kind: "netdev", name: "another namespace", address, message, refusal: "other-namespace" });
  }
  return found;
}

/** Interfaces of the network namespace that addresses and routes are read in; a mounted sysfs may be another one's. */
function ownNames(proc: string): Set<string> | null {
  const table = contents(`${proc}/self/net/dev`);
  return table === null ? null : new Set([...table.matchAll(/^\s*([^\s:]+):/gm)].flatMap(([, name]) => name ?? []));
}

/** An interface and all that is built on it, the nearest first. */
function withUppers(sysfs: string, name: string): string[] {
  const all = new Set([name]);
  for (const one of all) {
    const at = `${sysfs}/class/net/${one}`;
    for (const entry of names(at)) if (entry.startsWith("upper_")) all.add(entry.slice("upper_".length));
    const master = linkName(`${at}/master`);
    if (master !== null) all.add(master);
  }
  return [...all];
}
