import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { childHands } from "../../../src/setup/hands/child.ts";
import { BlockedError, type Hands, KernelError } from "../../../src/setup/hands/hands.ts";
import { BOTH, GPU, makeHost, makeSetup } from "../../setup/support.ts";
import { until } from "../../support/process.ts";

/** The process that really reads and writes, with files in the place of attributes; a pipe blocks as a store can. */
const home = () => mkdtempSync(join(tmpdir(), "sinew-child-"));
const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});
function made(options = {}): { hands: Hands; folder: string } {
  const [hands, folder] = [childHands(options), home()];
  open.push(hands.close, () => rmSync(folder, { recursive: true, force: true }));
  return { hands, folder };
}
const failed = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (thrown) => thrown,
  );

describe("the child process", () => {
  test("writes one line to what is there, makes nothing, and says what the kernel answers", async () => {
    const { hands, folder } = made();
    const path = join(folder, "driver_override");
    writeFileSync(path, "");
    await hands.write(path, "vfio-pci", 20_000);
    expect(readFileSync(path, "utf8")).toBe("vfio-pci\n");
    const missing = join(folder, "missing");
    expect(await failed(hands.write(missing, "1", 20_000))).toMatchObject({ code: "ENOENT" });
    expect(existsSync(missing)).toBe(false);
    expect(await failed(hands.write(folder, "1", 20_000))).toBeInstanceOf(KernelError);
    expect(await failed(hands.write("/dev/full", "1", 20_000))).toMatchObject({ code: "ENOSPC" });
    await hands.write(path, "", 20_000);
  });

  test("reads facts of a tree, and null where the function is not there", async () => {
    const kernel = makeHost();
    open.push(kernel.close);
    const { hands } = made({ factsMs: 20_000 });
    const query = { sysfs: kernel.tree.sysfs, proc: kernel.proc, drivers: ["vfio-pci", "x"], holders: true };
    const facts = await hands.facts({ ...query, address: GPU, conductor: [], interfaces: {} });
    expect(facts?.device).toMatchObject({
      address: GPU,
      kernel_driver: "nvidia",
      iommu_group: 7,
      driver_override: null,
    });
    expect(facts?.drivers).toEqual(["vfio-pci"]);
    expect(await hands.facts({ ...query, address: "0000:99:00.0", conductor: [], interfaces: {} })).toBeNull();
  });

  test("that is in a write which blocks is told of, does nothing more, and is gone when the write returns", async () => {
    const { hands, folder } = made();
    const [pipe, after] = [join(folder, "pipe"), join(folder, "after")];
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    writeFileSync(after, "");
    await hands.write(after, "", 20_000);
    const blocked = await failed(hands.write(pipe, "0000:3b:00.0", 50));
    expect(blocked).toBeInstanceOf(BlockedError);
    expect((blocked as BlockedError).message).toContain(`the write of "0000:3b:00.0" to ${pipe} has not returned`);
    expect(await failed(hands.write(after, "1", 50))).toBe(blocked);
    await (blocked as BlockedError).ended;
    expect(readFileSync(after, "utf8")).toBe("\n");
  });

  test("that ends in the middle is an error that says so", async () => {
    const { hands, folder } = made();
    const path = join(folder, "file");
    writeFileSync(path, "");
    await hands.write(path, "1", 20_000);
    hands.close();
    await hands.write(path, "2", 20_000);
    expect(readFileSync(path, "utf8").split("\n")).toContain("2");
  });
});

const program = join(import.meta.dir, "crash-process.ts");

/** A process of its own that sets the host up and is killed at its write number `at`. */
async function killedAt(at: number, kernel: ReturnType<typeof makeHost>, state: string, when: "before" | "after") {
  const child = Bun.spawn([process.execPath, program, kernel.tree.sysfs, state, String(at), when], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const out = await new Response(child.stdout).text();
  await child.exited;
  return out;
}

describe("a process that is killed in the middle of a setup", () => {
  test.each(["before", "after"] as const)(
    "%s any of its writes has it verified and rolled back at the next start",
    async (when) => {
      for (let at = 1; at <= 6; at += 1) {
        const kernel = makeHost();
        const state = home();
        open.push(kernel.close, () => rmSync(state, { recursive: true, force: true }));
        expect(await killedAt(at, kernel, state, when)).toContain(`killed ${when} ${at}`);
        const next = makeSetup(kernel, BOTH, { state });
        await next.setup.recover();
        const finished = at === 6 && when === "after";
        expect([at, kernel.driverOf(GPU), kernel.driverOf("0000:3b:00.1")]).toEqual(
          finished ? [at, "vfio-pci", "vfio-pci"] : [at, "nvidia", "snd_hda_intel"],
        );
        const said = await next.configured(GPU);
        expect([at, said?.reason]).toEqual([at, finished ? "AsDesired" : "Failed"]);
        await until(async () => (await next.apply(GPU)) !== null);
        expect(kernel.driverOf(GPU)).toBe("vfio-pci");
        await next.apply(GPU, { revert: true });
        expect(kernel.driverOf(GPU)).toBe("nvidia");
      }
    },
  );
});
