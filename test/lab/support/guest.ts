import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { freePort } from "../../support/ports.ts";
import { labImage } from "./image.ts";
import { connectQmp, type Qmp } from "./qmp.ts";
import { OWN, type Topology, topologyArguments } from "./topology.ts";

const checkout = join(import.meta.dir, "../../..");
/** Of the guest: where it is told commands, and where our program is to listen. */
const COMMANDS = 80;
export const SINEW = 1336;

/** A boot takes 4 to 15 seconds by emulation, and more on a busy machine. */
const BOOT_DEADLINE_MS = 60_000;
/** Two emulated processors stall each other at times before the kernel has said a word: one boot in some sixty. */
const BOOTS = 3;

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Guest {
  /** What listens on port 1336 of the guest, seen from here. */
  url: string;
  qmp: Qmp;
  /** All that the kernel and init have said so far. */
  console(): string;
  /** Runs a program in the guest to its end, in the checkout. */
  run(command: string[], input?: string): Promise<Ran>;
  /** Runs a shell's script; its stdout. Throws with its stderr where it fails. */
  sh(script: string): Promise<string>;
  close(): Promise<void>;
}

export interface GuestOptions extends Topology {
  /** More of the kernel's command line, such as `intel_iommu=off`. */
  parameters?: string;
  /** What is loaded at boot, in this order. */
  modules?: string[];
}

const running = new Set<() => Promise<void>>();

/** Ends every guest started here. */
export async function closeGuests(): Promise<void> {
  await Promise.all([...running].map((close) => close()));
}

/** Emulation, the same everywhere. Virtualization is on demand only: inside another guest it can hang, and nothing tells. */
function accelerator(): string {
  const chosen = process.env.SINEW_LAB_ACCEL || "tcg";
  if (chosen !== "kvm" && chosen !== "tcg") throw new Error(`SINEW_LAB_ACCEL: expected kvm or tcg, found ${chosen}`);
  return chosen === "tcg" ? "tcg,thread=multi" : "kvm";
}

class NotUp extends Error {}

/** Boots Debian's kernel on this topology, with the checkout at /src; resolves when it takes commands. */
export async function startGuest(options: GuestOptions): Promise<Guest> {
  for (let boots = 1; ; boots++) {
    try {
      return await boot(options);
    } catch (error) {
      if (!(error instanceof NotUp) || boots === BOOTS) throw error;
      console.error(`${error.message}\nbooting it again`);
    }
  }
}

async function boot({ parameters = "", modules = [], ...topology }: GuestOptions): Promise<Guest> {
  const { kernel, initrd } = labImage();
  const home = mkdtempSync(join(tmpdir(), "sinew-lab-"));
  const secret = crypto.randomUUID();
  const [commands, served] = [freePort(), freePort()];
  const forward = (from: number, to: number) => `hostfwd=tcp:127.0.0.1:${from}-:${to}`;
  const device = (given: object) => ["-device", JSON.stringify(given)];
  const ours = `console=ttyS0 quiet panic=-1 lab.run=test/lab/support/guest/serve.ts lab.secret=${secret}`;
  const log = openSync(join(home, "qemu.log"), "w");
  const child: Subprocess = Bun.spawn(
    [
      // Whatever ends a test run, its guests end with it.
      ...["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot"],
      ...["-accel", accelerator(), "-cpu", "max,arch-capabilities=off", "-smp", "2", "-m", "1G"],
      ...topologyArguments(topology),
      ...["-kernel", kernel, "-initrd", initrd, "-serial", `file:${join(home, "console")}`],
      ...["-append", `${ours} lab.modules=${modules.join(",")} ${parameters}`],
      ...["-fsdev", `local,id=checkout,path=${checkout},security_model=none,readonly=on,multidevs=remap`],
      ...device({
        driver: "virtio-9p-pci",
        fsdev: "checkout",
        mount_tag: "checkout",
        bus: "pcie.0",
        addr: OWN.checkout,
      }),
      ...["-netdev", `user,id=net,restrict=on,${forward(commands, COMMANDS)},${forward(served, SINEW)}`],
      ...device({ driver: "virtio-net-pci", netdev: "net", bus: "pcie.0", addr: OWN.network, romfile: "" }),
      ...["-qmp", `unix:${join(home, "qmp")},server=on,wait=off`],
    ],
    { stdin: "ignore", stdout: log, stderr: log },
  );
  closeSync(log);
  const text = (name: string) => (existsSync(join(home, name)) ? readFileSync(join(home, name), "utf8") : "");
  const close = async () => {
    running.delete(close);
    child.kill("SIGKILL");
    await child.exited;
    rmSync(home, { recursive: true, force: true });
  };
  running.add(close);

  const call = (init: RequestInit) =>
    fetch(`http://127.0.0.1:${commands}/`, { ...init, headers: { authorization: `Bearer ${secret}` } });
  const deadline = performance.now() + BOOT_DEADLINE_MS;
  for (;;) {
    // The forwarded port takes connections from the start: only an answer says that someone is there.
    const answer = await call({ signal: AbortSignal.timeout(2000) }).catch(() => null);
    if (answer?.ok) break;
    if (child.exitCode === null && performance.now() < deadline) await Bun.sleep(50);
    else {
      const said = `${text("qemu.log")}${text("console").slice(-4000)}`;
      await close();
      throw new NotUp(`the guest did not come up:\n${said}`);
    }
  }
  const qmp = await connectQmp(join(home, "qmp"));
  const run: Guest["run"] = async (command, input) => {
    const answer = await call({ method: "POST", body: JSON.stringify({ command, input }) });
    return (await answer.json()) as Ran;
  };
  return {
    url: `http://127.0.0.1:${served}`,
    qmp,
    console: () => text("console"),
    run,
    async sh(script) {
      const { code, stdout, stderr } = await run(["sh", "-c", script]);
      if (code !== 0) throw new Error(`${script}: exited ${code}: ${stderr}${stdout}`);
      return stdout;
    },
    async close() {
      qmp.close();
      await close();
    },
  };
}
