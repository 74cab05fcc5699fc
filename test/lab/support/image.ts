import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";

/** What a guest boots from. */
export interface Image {
  kernel: string;
  initrd: string;
}

/** Why there is no lab on this machine, and what to do; one line, without a stack. */
export class NoLab extends Error {
  override name = "NoLab";
}

/** What is called by name, and the Debian package that has it. */
const PROGRAMS = {
  "qemu-system-x86_64": "qemu-system-x86",
  busybox: "busybox-static",
  cpio: "cpio",
  depmod: "kmod",
  lspci: "pciutils",
  setpci: "pciutils",
  xz: "xz-utils",
  setpriv: "util-linux",
};

/** Modules that a guest can load; what they depend on comes with them. A module that is missing fails quietly in a guest. */
const MODULES = [
  ...["virtio_pci", "virtio_net", "9p", "9pnet_virtio", "af_packet"],
  ...["virtio_crypto", "virtio_blk", "virtio_gpu", "bochs", "e1000e", "igb", "cxl_pci", "cxl_acpi", "cxl_mem"],
  // Checksums that nvme and the block layer ask for by alias, which no list of dependencies shows.
  ...["nvme", "crct10dif_generic", "crc64_rocksoft_generic", "crc32c_generic", "ext4", "dm_mod"],
  ...["vfio_pci", "vfio_iommu_type1", "pci_stub", "aer_inject", "bonding", "8021q", "bridge"],
];

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "sinew-lab");
/** The administrator's programs are not on everybody's path. */
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const program = (name: string) => Bun.which(name, { PATH });

/** The kernel and initrd for this machine's bun: from the cache, or made now (10 s, and the download of 70 MB). Throws NoLab. */
export function labImage(): Image {
  const missing = Object.entries(PROGRAMS).flatMap(([name, owner]) => (program(name) ? [] : [owner]));
  if (missing.length > 0)
    throw new NoLab(`the lab needs QEMU and a few tools: apt-get install ${[...new Set(missing)].join(" ")}`);
  mkdirSync(cache, { recursive: true });
  const deb = kernelPackage();
  const recipe = [
    MODULES,
    Bun.version,
    Bun.revision,
    readFileSync(import.meta.path, "utf8"),
    readFileSync(INIT, "utf8"),
  ];
  const key = new Bun.CryptoHasher("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 12);
  const directory = join(cache, `${basename(deb, ".deb")}-${key}`);
  if (!existsSync(directory)) {
    build(deb, directory);
    forget();
  }
  return { kernel: join(directory, "kernel"), initrd: join(directory, "initrd") };
}

/** Debian's own kernel, downloaded and never installed. `-cloud-` kernels lack virtio_crypto, 9p and igb. */
function kernelPackage(): string {
  const given = process.env.SINEW_LAB_KERNEL;
  if (given && !existsSync(given)) throw new NoLab(`SINEW_LAB_KERNEL: there is no ${given}`);
  if (given) return given;
  const how = "SINEW_LAB_KERNEL=FILE names a linux-image-*-amd64 package of Debian's (not -cloud-)";
  if (!program("apt-get")) throw new NoLab(`the lab takes its kernel from apt, which is not here: ${how}`);
  const [, name] = /Depends: (linux-image-\S+)/.exec(run(["apt-cache", "depends", "linux-image-amd64"])) ?? [];
  const kept = () =>
    readdirSync(cache)
      .filter((file) => file.endsWith(".deb"))
      .sort()
      .map((file) => join(cache, file));
  const [, version] = name ? (/^Version: (\S+)/m.exec(run(["apt-cache", "show", name])) ?? []) : [];
  const wanted = kept().find((file) => basename(file).startsWith(`${name}_${version?.replace(":", "%3a")}_`));
  if (wanted) return wanted;
  const download = mkdtempSync(join(cache, "download-"));
  try {
    if (name) run(["apt-get", "download", "-qq", name], download);
    const [file] = readdirSync(download).filter((one) => one.endsWith(".deb"));
    if (file) renameSync(join(download, file), join(cache, file));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}`);
  } finally {
    rmSync(download, { recursive: true, force: true });
  }
  // Without a network, or with lists of an older day, the kernel of the last time is as good.
  const newest = kept().at(-1);
  if (!newest) throw new NoLab(`apt has no kernel to download (apt-get update may help); else ${how}`);
  return newest;
}

const INIT = join(import.meta.dir, "guest", "init");

/** Made aside and renamed: whoever finds it finds all of it. */
function build(deb: string, directory: string): void {
  const work = mkdtempSync(join(cache, "build-"));
  try {
    run(["dpkg-deb", "-x", deb, join(work, "package")]);
    const [version = ""] = readdirSync(join(work, "package/lib/modules"));
    mkdirSync(join(work, "image"));
    writeKernel(join(work, "package/boot", `vmlinuz-${version}`), join(work, "image/kernel"));
    fill(join(work, "root"), join(work, "package"), version);
    const root = JSON.stringify(join(work, "root"));
    run(["sh", "-c", `cd ${root} && find . | cpio --quiet -o -H newc -R 0:0`], work, join(work, "image/initrd"));
    try {
      renameSync(join(work, "image"), directory);
    } catch (error) {
      // Someone else made the same one meanwhile.
      if (!existsSync(directory)) throw error;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Removes all but the latest three: each is 200 MB, and a change of what is in them makes another. */
function forget(): void {
  const made = readdirSync(cache).flatMap((name) => {
    const path = join(cache, name);
    return existsSync(join(path, "initrd")) ? [{ path, at: statSync(path).mtimeMs }] : [];
  });
  for (const { path } of made.sort((a, b) => b.at - a.at).slice(3)) rmSync(path, { recursive: true, force: true });
}

/**
 * The ELF program inside a bzImage, which boots without being unpacked by the guest (by PVH), in half the time.
 * Documentation/arch/x86/boot.rst: setup_sects at 0x1f1, payload_offset at 0x248, payload_length at 0x24c.
 */
function writeKernel(bzImage: string, to: string): void {
  const bytes = readFileSync(bzImage);
  const start = (bytes.readUInt8(0x1f1) + 1) * 512 + bytes.readUInt32LE(0x248);
  // The payload's last four bytes are its length unpacked.
  const payload = bytes.subarray(start, start + bytes.readUInt32LE(0x24c) - 4);
  const xz = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]);
  // What is compressed in another way than Debian 12's is unpacked by the guest itself.
  if (payload.subarray(0, xz.length).equals(xz)) run(["xz", "-dc"], undefined, to, payload);
  else copyFileSync(bzImage, to);
}

/** The root file system: busybox, bun, lspci, their libraries, and the modules. */
function fill(root: string, from: string, version: string): void {
  const put = (file: string, path = file) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    copyFileSync(file, join(root, path));
  };
  for (const name of ["dev", "proc", "sys", "tmp", "src", "state", "bin", "sbin"])
    mkdirSync(join(root, name), { recursive: true });
  put(program("busybox") ?? "", "bin/busybox");
  put(INIT, "init");
  put(process.execPath, "bin/bun");
  const tools = ["lspci", "setpci"].map((name) => program(name) ?? "");
  for (const tool of tools) put(tool, join("bin", basename(tool)));
  for (const one of [process.execPath, ...tools]) {
    for (const [, library = ""] of run(["ldd", one]).matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)) put(library);
  }
  run(["depmod", "-b", from, version]);
  for (const name of MODULES) {
    const needs = run(["modprobe", "-d", from, "-S", version, "--show-depends", name]);
    for (const [, path = ""] of needs.matchAll(/^insmod (\S+)/gm)) put(path, path.slice(from.length));
  }
  for (const name of ["modules.order", "modules.builtin", "modules.builtin.modinfo"]) {
    put(join(from, "lib/modules", version, name), join("lib/modules", version, name));
  }
  run(["depmod", "-b", root, version]);
}

/** Runs a program to its end; its stdout, or nothing where that goes to a file. Throws what it said when it fails. */
function run(command: string[], cwd?: string, to?: string, input?: Uint8Array): string {
  const [name = "", ...args] = command;
  const { exitCode, stdout, stderr } = Bun.spawnSync([program(name) ?? name, ...args], {
    cwd,
    env: { ...process.env, PATH, LC_ALL: "C" },
    stdin: input ?? "ignore",
    stdout: to === undefined ? "pipe" : Bun.file(to),
    stderr: "pipe",
  });
  if (exitCode !== 0) throw new Error(`${command.join(" ")} exited ${exitCode}: ${stderr.toString().trim()}`);
  return stdout?.toString() ?? "";
}
