// A program that sets up the GPU of a tree and is killed at one of its writes, like by a power switch.
import { readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readFacts } from "../../../src/setup/facts/read.ts";
import { BOTH, GPU, makeSetup } from "../../setup/support.ts";

const [sysfs = "", state = "", at = "1", when = "before"] = process.argv.slice(2);
const bus = join(sysfs, "bus/pci");
let count = 0;

function die(): void {
  process.stdout.write(`killed ${when} ${at}\n`);
  process.kill(process.pid, "SIGKILL");
}

/** What the tree's kernel does about these writes, for a process that did not make it. */
function write(path: string, value: string): void {
  if (path.endsWith("driver_override")) {
    writeFileSync(path, `${value || "(null)"}\n`);
    return;
  }
  const driver = join(bus, "devices", value, "driver");
  rmSync(driver, { force: true });
  if (path.endsWith("drivers_probe")) symlinkSync(join(bus, "drivers/vfio-pci"), driver);
}

const hands = () => ({
  facts: async (query: Parameters<typeof readFacts>[0]) => readFacts(query),
  async write(path: string, value: string) {
    count += 1;
    if (when === "before" && count === Number(at)) die();
    write(path, value);
    if (when === "after" && count === Number(at)) die();
  },
  close() {},
});

if (readdirSync(bus).length === 0) throw new Error("no tree");
await makeSetup({ tree: { sysfs }, proc: join(sysfs, "proc"), hands }, BOTH, { state }).apply(GPU);
