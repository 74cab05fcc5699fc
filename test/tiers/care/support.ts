import type { SetupPlan } from "../../../src/contract/device/setup.ts";
import { SinewError } from "../../../src/contract/problem.ts";
import { createDriver, type DeviceCare, type DeviceSetup, type DriverDevice } from "../../../src/index.ts";
import { CARD, quiet } from "../../support/tiers.ts";

export const PLAN: SetupPlan = {
  desired: { kernel_driver: "vfio-pci" },
  writes: [{ path: "/sys/bus/pci/devices/0000:3b:00.0/driver_override", from: null, to: "vfio-pci" }],
  group: null,
  holders: [],
  reboot: null,
  undo: [{ path: "/sys/bus/pci/devices/0000:3b:00.0/driver_override", from: "vfio-pci", to: "\n" }],
  refusals: [
    { name: "default-route", reason: "eth0 has the default route" },
    { name: "mounted", reason: "/var is on it" },
  ],
};

const step = (name: string, status: "IN-PROGRESS" | "SUCCEEDED") => ({
  name,
  endpoint: null,
  status,
  found: null,
  error: null,
});

/** A driver that sets its devices up: refuses without both names in `force`, and goes on from step to step as it is let. */
export function fakeSetup(history: Awaited<ReturnType<DeviceSetup["history"]>> = []) {
  const asked: { uuid: string; actor: string; operation: string }[] = [];
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const setup: DeviceSetup = {
    plan: async () => PLAN,
    async apply(uuid, { force = [], revert }, { actor, operation, onProgress }) {
      if (force.includes("busy-group")) throw new SinewError("busy", "the IOMMU group is being set up");
      const open = PLAN.refusals.filter(({ name }) => !force.includes(name));
      if (open.length > 0 && !revert) {
        const errors = open.map(({ name, reason }) => ({ pointer: name, detail: reason }));
        throw new SinewError("setup_refused", open.map(({ reason }) => reason).join("; "), { errors });
      }
      asked.push({ uuid, actor, operation });
      onProgress([step("unbind", "IN-PROGRESS")]);
      await gates[0]?.promise;
      onProgress([step("unbind", "SUCCEEDED"), step("bind", "IN-PROGRESS")]);
      await gates[1]?.promise;
      if (revert) throw new Error("bind: EBUSY; the device is left without a driver");
      onProgress([step("unbind", "SUCCEEDED"), step("bind", "SUCCEEDED")]);
    },
    history: async () => history,
  };
  return { setup, asked, go: (gate: 0 | 1) => gates[gate]?.resolve() };
}

/** What overrides all that speaks against it. */
export const FORCE = { force: ["default-route", "mounted"] };

export const driverWith = (care: DeviceCare | undefined, discover: () => DriverDevice[] = () => [CARD]) =>
  createDriver({
    auth: "open",
    name: "crypto",
    type: "CRYPTO",
    discover: async () => discover(),
    care,
    world: quiet(),
  });
