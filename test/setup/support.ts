import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OperationChild } from "../../src/contract/operation.ts";
import { fromScan } from "../../src/drivers/discover.ts";
import { scanPci } from "../../src/pci/sysfs/scan.ts";
import type { Rule } from "../../src/setup/desired/rule.ts";
import { createSetup, type SetupOptions } from "../../src/setup/setup.ts";
import { realWorld } from "../../src/world.ts";
import { type Kernel, makeKernel } from "./kernel.ts";

export const NODE = { id: "11111111-2222-4333-8444-555555555555", name: "lab1" };
export const GPU = "0000:3b:00.0";
export const AUDIO = "0000:3b:00.1";
export const NIC = "0000:5e:00.0";

/** A GPU whose audio function shares its group, and a NIC with four VFs in a group of its own. */
export function makeHost({ iommu = true } = {}): Kernel {
  const kernel = makeKernel();
  const group = (number: number) => (iommu ? number : undefined);
  const port = { vendor: "8086", device: "352a", class: "060400", driver: "pcieport" };
  kernel.add({ address: "0000:00:01.0", secondary: 0x3b, ...port, iommuGroup: group(1) });
  kernel.add({ address: "0000:00:02.0", secondary: 0x5e, ...port, iommuGroup: group(2) });
  const gpu = { parent: "0000:00:01.0", vendor: "10de", class: "030200", iommuGroup: group(7) };
  kernel.add({ ...gpu, address: GPU, device: "20b2", driver: "nvidia", slot: "4" });
  kernel.add({ ...gpu, address: AUDIO, device: "1aef", class: "040300", driver: "snd_hda_intel" });
  const nic = { parent: "0000:00:02.0", vendor: "8086", device: "1592", class: "020000", driver: "ice" };
  kernel.add({ ...nic, address: NIC, sriov: { total: 4, enabled: 0 }, iommuGroup: group(9) });
  return kernel;
}

export const rule = (match: Rule["match"], wanted: Partial<Rule>): Rule => ({ match, apply: "on-request", ...wanted });
export const BOTH = [
  rule({ address: GPU }, { kernel_driver: "vfio-pci" }),
  rule({ address: AUDIO }, { kernel_driver: "vfio-pci" }),
];

/** A setup of that host with one driver for all of it; what it keeps is in a directory of its own. */
export function makeSetup(
  kernel: Pick<Kernel, "proc" | "hands"> & { tree: { sysfs: string } },
  rules: readonly Rule[],
  more: Partial<Omit<SetupOptions, "world">> & { world?: Partial<SetupOptions["world"]> } = {},
) {
  const state = more.state ?? mkdtempSync(join(tmpdir(), "sinew-setup-"));
  const logged: string[] = [];
  const world = realWorld((level, message, fields) =>
    logged.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`),
  );
  const setup = createSetup({
    state,
    sysfs: kernel.tree.sysfs,
    proc: kernel.proc,
    node: NODE,
    rules,
    makeHands: kernel.hands,
    ...more,
    world: { ...world, ...more.world },
    deadlines: { stepMs: 5000, vfMs: 0, settleMs: 30, pollMs: 5, ...more.deadlines },
  });
  let changes = 0;
  const driver = setup.forDriver({
    refresh: () => {
      changes += 1;
    },
  });
  /** What the driver would report. */
  const list = () => {
    const { hardware } = fromScan(scanPci({ sysfs: kernel.tree.sysfs }), { node: NODE, now: new Date(), all: true });
    return driver.judge(hardware);
  };
  const device = async (address: string) => {
    const found = (await list()).find(({ pci }) => pci?.address === address);
    if (!found) throw new Error(`${address} is not listed`);
    return found;
  };
  return {
    setup,
    driver,
    state,
    logged,
    device,
    changes: () => changes,
    configured: async (address: string) => {
      const { acc_status } = await device(address);
      const said = acc_status.conditions.find(({ type }) => type === "Configured");
      return said && { ...said, since: undefined, ...acc_status, conditions: undefined };
    },
    plan: async (address: string, request = {}) => driver.plan((await device(address)).uuid, request),
    /** Carries it out; the steps as they were told last. */
    apply: async (address: string, request = {}) => {
      let steps: OperationChild[] = [];
      const { uuid } = await device(address);
      const context = {
        operation: crypto.randomUUID(),
        actor: "test",
        onProgress: (now: OperationChild[]) => {
          steps = now;
        },
      };
      await driver.apply(uuid, request, context).catch((error) => {
        throw Object.assign(error, { steps });
      });
      return steps;
    },
    history: async (address: string) => driver.history((await device(address)).uuid),
    close: () => rmSync(state, { recursive: true, force: true }),
  };
}
export type TestSetup = ReturnType<typeof makeSetup>;
