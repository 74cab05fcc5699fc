import type { Hardware } from "../../contract/hardware.ts";
import { SinewError } from "../../contract/problem.ts";
import type { World } from "../../world.ts";
import type { DeviceCare } from "../device.ts";
import type { Operations } from "../operations/operations.ts";
import { type Care, noSetup, refused, sameRequest, theOne } from "./care.ts";

/** What a driver does with its devices itself. */
export function ownCare(
  care: DeviceCare,
  options: {
    driver: string;
    devices: (uuid: string) => readonly Hardware[];
    operations: Operations;
    world: Pick<World, "now">;
  },
): Care {
  const { driver, devices, operations, world } = options;
  const { setup } = care;
  return {
    async telemetry(uuid) {
      theOne(devices(uuid), uuid);
      if (!care.telemetry) throw new SinewError("not_found", `driver ${driver} measures nothing of its devices`);
      const measurements = await care.telemetry(uuid);
      return { uuid, observed_at: world.now().toISOString(), measurements };
    },
    async history(uuid) {
      const history = (await setup?.history(uuid)) ?? [];
      // What has been written stays known when the device has gone.
      if (history.length === 0) theOne(devices(uuid), uuid);
      return { history };
    },
    async plan(uuid, request) {
      theOne(devices(uuid), uuid);
      return { plan: setup ? await setup.plan(uuid, request) : noSetup(`driver ${driver}`) };
    },
    async setup(uuid, request, { actor }) {
      theOne(devices(uuid), uuid);
      if (!setup) throw refused(noSetup(`driver ${driver}`).refusals);
      return operations.begin(
        { kind: "setup", subject: uuid, request: sameRequest(request) },
        async ({ operation, report }) => {
          await setup.apply(uuid, request, { operation, actor, onProgress: report });
          return "SUCCEEDED";
        },
      );
    },
  };
}
