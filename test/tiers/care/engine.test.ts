import { afterEach, expect, test } from "bun:test";
import { HistoryList, SetupPlanned } from "../../../src/contract/device/setup.ts";
import { FleetHardwareList } from "../../../src/contract/hardware.ts";
import { Operation } from "../../../src/contract/operation.ts";
import { fromScan } from "../../../src/drivers/discover.ts";
import { createDriver } from "../../../src/index.ts";
import { scanPci } from "../../../src/pci/sysfs/scan.ts";
import { AUDIO, GPU, makeHost, makeSetup, NODE, rule } from "../../setup/support.ts";
import { quiet, startAgent, startConductor, until } from "../../support/tiers.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

test("a GPU is handed to vfio-pci from the conductor and back: planned, read back, and written down with who asked", async () => {
  const kernel = makeHost();
  kernel.tree.bind(AUDIO, "vfio-pci");
  const made = makeSetup(kernel, [rule({ address: GPU }, { kernel_driver: "vfio-pci" })]);
  const driver = await createDriver({
    auth: "open",
    name: "gpu",
    type: "GPU",
    node: NODE,
    world: quiet(),
    async discover() {
      const scan = scanPci({ sysfs: kernel.tree.sysfs });
      return made.driver.judge(fromScan(scan, { kinds: ["gpu"], node: NODE, now: new Date() }).hardware);
    },
    care: { setup: made.driver },
  });
  const conductor = await startConductor();
  stops.push(kernel.close, made.close, conductor.stop);
  const agent = await startAgent({ drivers: [driver], conductor: conductor.url, remoteSetup: "apply" });
  stops.push(agent.stop);
  const device = async () => {
    const list = await (await fetch(`${conductor.url}/hardware?device_type=GPU`)).json();
    return FleetHardwareList.parse(list).hardware.find(({ pci }) => pci?.address === GPU) as never as {
      uuid: string;
      acc_status: { ready: boolean; setup_required: boolean };
    };
  };
  await until("the GPU", device);
  const { uuid, acc_status } = await device();
  expect(acc_status).toMatchObject({ ready: false, setup_required: true });
  const setUp = (body: object) =>
    fetch(`${conductor.url}/hardware/${uuid}/setup`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { prefer: "wait=30" },
    });
  const { plan } = SetupPlanned.parse(await (await setUp({ dry_run: true })).json());
  expect(plan).toMatchObject({ desired: { kernel_driver: "vfio-pci" }, refusals: [], group: { number: 7 } });
  expect(kernel.driverOf(GPU)).toBe("nvidia");

  const done = Operation.parse(await (await setUp({})).json());
  expect(done).toMatchObject({ kind: "setup", status: "SUCCEEDED" });
  expect(done.children.length).toBeGreaterThanOrEqual(plan.writes.length);
  expect(kernel.driverOf(GPU)).toBe("vfio-pci");
  await fetch(`${conductor.url}/discovery`, { method: "POST", headers: { prefer: "wait=20" } });
  expect((await device()).acc_status).toMatchObject({ ready: true, setup_required: false });
  // Again there is nothing to do.
  expect(Operation.parse(await (await setUp({})).json())).toMatchObject({ status: "SUCCEEDED", children: [] });

  const { history } = HistoryList.parse(await (await fetch(`${conductor.url}/hardware/${uuid}/history`)).json());
  expect(history.map(({ path }) => path)).toEqual(plan.writes.map(({ path }) => path).reverse());
  expect(new Set(history.map(({ actor, outcome }) => `${actor}: ${outcome}`))).toEqual(
    new Set(["anyone, through the conductor: done"]),
  );

  expect(Operation.parse(await (await setUp({ revert: true })).json()).status).toBe("SUCCEEDED");
  expect(kernel.driverOf(GPU)).toBe("nvidia");
});
