import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { readFacts } from "../../src/setup/facts/read.ts";
import { routesOf } from "../../src/setup/facts/routes.ts";
import type { Kernel } from "./kernel.ts";
import { AUDIO, BOTH, GPU, makeHost, makeSetup, NIC, rule } from "./support.ts";

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** A host, and what it takes to put people's things on it. */
function host() {
  const kernel = makeHost();
  const { sysfs } = kernel.tree;
  open.push(kernel.close);
  const file = (path: string, text: string) => {
    mkdirSync(dirname(join(sysfs, path)), { recursive: true });
    writeFileSync(join(sysfs, path), text);
  };
  const link = (path: string, target: string) => {
    mkdirSync(dirname(join(sysfs, path)), { recursive: true });
    symlinkSync(target, join(sysfs, path));
  };
  const below = (address: string, path: string) => `${kernel.tree.directory(address).slice(sysfs.length + 1)}/${path}`;
  return {
    kernel,
    file,
    link,
    /** A network device of a function, up, with what it is enslaved to. */
    netdev(address: string, name: string, uppers: string[] = []) {
      file(below(address, `net/${name}/flags`), "0x1003\n");
      link(`class/net/${name}`, join(sysfs, below(address, `net/${name}`)));
      for (const upper of uppers) {
        file(`devices/virtual/net/${upper}/flags`, "0x1003\n");
        link(below(address, `net/${name}/upper_${upper}`), join(sysfs, `devices/virtual/net/${upper}`));
        link(`class/net/${upper}`, join(sysfs, `devices/virtual/net/${upper}`));
      }
    },
    /** A block device of a function: its disk, or a partition of it. */
    block(path: string, name: string, dev: string, above: string[] = []) {
      file(`${path}/${name}/dev`, `${dev}\n`);
      file(`${path}/${name}/uevent`, `DEVNAME=${name}\n`);
      if (/p\d+$/.test(name)) file(`${path}/${name}/partition`, "1\n");
      link(`class/block/${name}`, join(sysfs, path, name));
      for (const one of above) {
        mkdirSync(join(sysfs, "devices/virtual/block", one, "slaves"), { recursive: true });
        link(`devices/virtual/block/${one}/slaves/${name}`, join(sysfs, path, name));
        file(`${path}/${name}/holders/${one}`, "");
      }
    },
    below,
    process(pid: number, name: string, ...targets: string[]) {
      file(`proc/${pid}/comm`, `${name}\n`);
      for (const [fd, target] of targets.entries()) link(`proc/${pid}/fd/${fd}`, target);
    },
    look: (address: string, more: { conductor?: string[]; interfaces?: Record<string, string[]> } = {}) => {
      const found = readFacts({
        sysfs,
        proc: kernel.proc,
        address,
        drivers: [],
        holders: true,
        conductor: [],
        interfaces: {},
        ...more,
      });
      if (!found) throw new Error(`no ${address}`);
      return found.holders.map(({ kind, name, refusal }) => [kind, name, refusal]);
    },
  };
}

const v4 = (device: string, to: string, mask: string, flags = "0003") =>
  `${device}\t${to}\t00000000\t${flags}\t0\t0\t100\t${mask}\t0\t0\t0`;
const HEADER = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT";

describe("holders", () => {
  test("of a NIC: the default route over a bridge on a bond, of both families", () => {
    const { netdev, look, file } = host();
    netdev(NIC, "ens1", ["bond0", "br0"]);
    file("proc/self/net/route", `${HEADER}\n${v4("br0", "00000000", "00000000")}\n`);
    expect(look(NIC)).toEqual([["netdev", "ens1", "default-route"]]);
    file("proc/self/net/route", HEADER);
    const zeros = "0".repeat(32);
    file("proc/self/net/ipv6_route", `${zeros} 00 ${zeros} 00 ${zeros} 00000400 00000001 00000000 00000003 br0\n`);
    expect(look(NIC)).toEqual([["netdev", "ens1", "default-route"]]);
    // Of one that throws away what it is given, which every host has.
    file("proc/self/net/ipv6_route", `${zeros} 00 ${zeros} 00 ${zeros} ffffffff 00000001 00000000 00200200 lo\n`);
    // A bridge without an address carries the traffic of others.
    expect(look(NIC)).toEqual([["netdev", "ens1", "netdev-up"]]);
  });

  test("of a NIC: the way to the conductor, an address, a namespace that it is in, or only that it is up", () => {
    const { netdev, look, file, below } = host();
    netdev(NIC, "ens1");
    file(
      "proc/self/net/route",
      `${HEADER}\n${v4("eth9", "00000000", "00000000")}\n${v4("ens1", "0002000A", "00FFFFFF")}\n`,
    );
    expect(look(NIC, { conductor: ["10.0.2.7"] })).toEqual([["netdev", "ens1", "conductor-connection"]]);
    expect(look(NIC, { conductor: ["10.0.3.7"] })).toEqual([["netdev", "ens1", null]]);
    expect(look(NIC, { interfaces: { ens1: ["10.0.2.15", "fe80::1"] } })).toEqual([["netdev", "ens1", "netdev-up"]]);
    expect(look(NIC, { interfaces: { ens1: ["fe80::1"] } })).toEqual([["netdev", "ens1", null]]);
    // Of another namespace than the one that addresses and routes are read in.
    file("proc/self/net/dev", "Inter-|   Receive\n face |bytes\n    lo: 1 2 3\n  eth0: 1 2 3\n");
    expect(look(NIC)).toEqual([["netdev", "ens1", "unseen"]]);
    file("proc/1/net/route", `${HEADER}\n${v4("ens1", "00000000", "00000000")}\n`);
    expect(look(NIC)).toEqual([["netdev", "ens1", "default-route"]]);
    expect(look(GPU)).toEqual([]);
    mkdirSync(join(below(GPU, "net")), { recursive: true });
    expect(look(GPU)).toEqual([]);
  });

  test("of a controller: what is mounted from it through partitions, LUKS, RAID and multipath, and its swap", () => {
    const { block, look, file, below, link, kernel } = host();
    const disk = below(GPU, "nvme/nvme0");
    block(disk, "nvme0n1", "259:0");
    block(`${disk}/nvme0n1`, "nvme0n1p1", "259:1");
    block(`${disk}/nvme0n1`, "nvme0n1p2", "259:2", ["dm-0"]);
    file("devices/virtual/block/dm-0/dev", "253:0\n");
    link("class/block/dm-0", join(kernel.tree.sysfs, "devices/virtual/block/dm-0"));
    file(
      "proc/self/mountinfo",
      "36 35 253:0 / /var/my\\040data rw - ext4 /dev/mapper/data rw\n37 35 0:5 / /proc rw - proc proc rw\n",
    );
    file("proc/swaps", "Filename\tType\n/dev/nvme0n1p1 partition 1 0 -2\n");
    expect(look(GPU)).toEqual([
      ["mount", "/var/my data", "mounted"],
      ["swap", "/dev/nvme0n1p1", "swap"],
    ]);
    file("proc/self/mountinfo", "");
    file("proc/swaps", "Filename\n");
    expect(look(GPU)).toEqual([["block", "dm-0", "held-open"]]);

    // A namespace of a subsystem with several controllers hangs on none of them.
    const sub = "devices/virtual/nvme-subsystem/nvme-subsys3";
    block(sub, "nvme3n1", "259:9");
    mkdirSync(join(kernel.tree.sysfs, below(NIC, "nvme/nvme3")), { recursive: true });
    link(`${sub}/nvme3`, join(kernel.tree.sysfs, below(NIC, "nvme/nvme3")));
    file("proc/1/mountinfo", "36 35 0:44 / /srv rw - btrfs /dev/nvme3n1 rw\n");
    expect(look(NIC)).toEqual([["mount", "/srv", "mounted"]]);
  });

  test("of a controller that is a bus of its own are those of the disks behind it", () => {
    const { block, look, file, below } = host();
    block(below(GPU, "pci10000:e0/10000:e0:06.0/10000:e1:00.0/nvme/nvme0"), "nvme0n1", "259:0");
    file("proc/self/mountinfo", "36 35 259:0 / / rw - ext4 /dev/root rw\n");
    expect(look(GPU)).toEqual([["mount", "/", "mounted"]]);
  });

  test("are processes that have a node, its VFIO group or a BAR of it open; and the console's display", () => {
    const { process, look, file, below, kernel } = host();
    file(below(GPU, "drm/card0/dev"), "226:0\n");
    file(below(GPU, "drm/card0/uevent"), "DEVNAME=dri/card0\n");
    file(`proc/driver/nvidia/gpus/${GPU}/information`, "Model: A100\nDevice Minor: \t 3\n");
    process(10, "Xorg", "/dev/dri/card0", "/dev/null", "/dev/dri/card0");
    process(11, "qemu", "/dev/vfio/9");
    process(12, "python", "/dev/nvidia3", "/dev/nvidia4");
    process(13, "dpdk", `/sys/devices/pci0000:00/${GPU}/resource0`);
    expect(look(GPU)).toEqual([
      ["process", "Xorg[10]", "held-open"],
      ["process", "python[12]", "held-open"],
      ["process", "dpdk[13]", "held-open"],
    ]);
    expect(look(NIC)).toEqual([["process", "qemu[11]", "held-open"]]);
    kernel.tree.setAttribute(GPU, "boot_vga", "1\n");
    expect(look(GPU)[0]).toEqual(["console", "boot_vga", "console"]);
  });

  test("that cannot be seen are said, and so is that nobody can tell of swap", () => {
    const { file, link, look, below, block, kernel } = host();
    // The loop stands for what may not be read: root may read all.
    link("proc/20/fd", "fd");
    link("proc/21/fd", "fd");
    file("proc/21/stat", "21 (kworker) 0) I 2 0 0 0 -1 69238880 0 0");
    link("proc/22/fd", "fd");
    file("proc/22/stat", "22 (gone) Z 2 0 0 0 -1 0 0 0");
    expect(look(GPU)).toEqual([]);
    file(below(GPU, "drm/card0/dev"), "226:0\n");
    expect(look(GPU)).toEqual([["unseen", "processes", "unseen"]]);
    // A container of its own sees no process of the host, and none of its mounts.
    rmSync(join(kernel.proc, "20"), { recursive: true });
    expect(look(GPU)).toEqual([]);
    link("proc/1/ns/pid", "pid:[4026532001]");
    expect(look(GPU)).toEqual([["unseen", "processes", "unseen"]]);
    block(below(NIC, "nvme/nvme0"), "nvme0n1", "259:0");
    rmSync(join(kernel.proc, "swaps"));
    expect(look(NIC)).toEqual([
      ["unseen", "swap", "unseen"],
      ["unseen", "processes", "unseen"],
    ]);
  });

  test("of one kind are ten at most, and the last says how many more there are", () => {
    const { process, kernel } = host();
    for (let pid = 100; pid < 125; pid += 1) process(pid, "qemu", "/dev/vfio/7");
    const query = { sysfs: kernel.tree.sysfs, proc: kernel.proc, address: GPU, drivers: [], holders: true };
    const found = readFacts({ ...query, conductor: [], interfaces: {} })?.holders ?? [];
    expect(found).toHaveLength(10);
    expect(found.at(9)?.message).toContain("; and 15 more");
  });
});

describe("a refusal", () => {
  const setup = (kernel: Kernel, rules = BOTH) => {
    const made = makeSetup(kernel, rules);
    open.push(made.close);
    return made;
  };

  test("for what the device would lose is overridden by its name alone, and so is that of a member of its group", async () => {
    const { kernel, process, file, below } = host();
    process(10, "python", "/dev/nvidia3");
    file(`proc/driver/nvidia/gpus/${GPU}/information`, "Device Minor: 3\n");
    file(below(AUDIO, "sound/card0/controlC0/dev"), "116:2\n");
    file(below(AUDIO, "sound/card0/controlC0/uevent"), "DEVNAME=snd/controlC0\n");
    process(11, "pulse", "/dev/snd/controlC0");
    const { plan, apply } = setup(kernel);
    const { refusals, holders } = await plan(GPU);
    expect(refusals.map(({ name }) => name).sort()).toEqual(["group-held-open", "held-open"]);
    expect(holders.map(({ address }) => address).sort()).toEqual([GPU, AUDIO]);
    const names = async (force: string[]) => {
      const error = await apply(GPU, { force }).then(
        () => null,
        (thrown) => thrown,
      );
      return error === null ? null : error.errors.map(({ pointer }: { pointer: string }) => pointer);
    };
    expect(await names(["default-route"])).toHaveLength(2);
    expect(await names(["held-open"])).toEqual(["group-held-open"]);
    expect(kernel.writes).toEqual([]);
    expect(await names(["held-open", "group-held-open"])).toBeNull();
    expect(kernel.driverOf(GPU)).toBe("vfio-pci");
  });

  test("keeps VFs that somebody uses, and does not keep a NIC in use from getting its first", async () => {
    const { kernel, process, netdev, file } = host();
    netdev(NIC, "ens1");
    file("proc/self/net/route", `${HEADER}\n${v4("ens1", "00000000", "00000000")}\n`);
    const wanted = (count: number) => [rule({ address: NIC }, { sriov_vfs: count, vf_driver: "vfio-pci" })];
    const two = setup(kernel, wanted(2));
    expect((await two.plan(NIC)).refusals).toEqual([]);
    await two.apply(NIC);
    process(10, "qemu", "/dev/vfio/900");
    const { refusals } = await setup(kernel, wanted(4)).plan(NIC);
    expect(refusals.map(({ name }) => name)).toEqual(["vf-in-use"]);
    expect(refusals[0]?.reason).toContain("qemu[10] has /dev/vfio/900 open");
    expect((await two.plan(NIC, { revert: true })).refusals.map(({ name }) => name)).toEqual(["vf-in-use"]);
    const [vf = ""] = kernel.vfsOf(NIC);
    netdev(vf, "ens1v0");
    file("proc/self/net/route", `${HEADER}\n${v4("ens1v0", "00000000", "00000000")}\n`);
    // What is worse has a name of its own: to force the lesser one is not to force this.
    expect((await two.plan(NIC, { revert: true })).refusals.map(({ name }) => name).sort()).toEqual([
      "vf-default-route",
      "vf-in-use",
    ]);
  });

  test("is final where a member of the group has VFs that would go unseen", async () => {
    const { kernel } = host();
    kernel.add({
      ...{ address: "0000:5e:00.1", parent: "0000:00:02.0", vendor: "8086", device: "1592", class: "020000" },
      ...{ driver: "ice", sriov: { total: 4, enabled: 0 }, iommuGroup: 9 },
    });
    const other = setup(kernel, [rule({ address: "0000:5e:00.1" }, { sriov_vfs: 2 })]);
    await other.apply("0000:5e:00.1");
    const { plan, apply } = setup(kernel, [rule({ vendor_id: "8086" }, { kernel_driver: "vfio-pci" })]);
    expect((await plan(NIC)).refusals.map(({ name }) => name)).toEqual(["group-vfs-enabled"]);
    const error = await apply(NIC, { force: ["group-vfs-enabled"] }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "setup_refused" });
    expect(kernel.vfsOf("0000:5e:00.1")).toHaveLength(2);
  });

  test("of what is not seen is overridden by its own name alone", async () => {
    const { kernel, link, file, below } = host();
    link("proc/20/fd", "fd");
    file(below(GPU, "drm/card0/dev"), "226:0\n");
    const { plan, apply } = setup(kernel);
    expect((await plan(GPU)).refusals.map(({ name }) => name)).toEqual(["unseen"]);
    expect(await apply(GPU, { force: ["held-open"] }).catch((thrown) => thrown)).toMatchObject({
      code: "setup_refused",
    });
    expect(kernel.writes).toEqual([]);
    await apply(GPU, { force: ["unseen"] });
    expect(kernel.driverOf(GPU)).toBe("vfio-pci");
  });
});

test("routesOf() takes any text for a table, and finds the narrowest way", () => {
  const { file, kernel } = host();
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (route, route6, address) => {
      file("proc/self/net/route", route);
      file("proc/self/net/ipv6_route", route6);
      expect(Array.isArray(routesOf(kernel.proc, [address, "::1", "1.2.3.4"]).ways)).toBe(true);
    }),
    { numRuns: 50 },
  );
  const to = "20010db8000000000000000000000000";
  const via = "0".repeat(32);
  file("proc/self/net/route", `${HEADER}\n${v4("a", "00000000", "00000000")}\n${v4("b", "0000000A", "000000FF")}\n`);
  file("proc/self/net/ipv6_route", `${to} 20 ${via} 00 ${via} 00000400 1 0 00000001 c\n`);
  expect(routesOf(kernel.proc, ["10.9.9.9"]).ways).toEqual(["b"]);
  expect(routesOf(kernel.proc, ["11.9.9.9"]).ways).toEqual(["a"]);
  expect(routesOf(kernel.proc, ["2001:db8::5"]).ways).toEqual(["c"]);
  expect(routesOf(kernel.proc, ["2001:db9::5"]).ways).toEqual([]);
});
