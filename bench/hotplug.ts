import { closeGuests, startGuest } from "../test/lab/support/guest.ts";
import { NoLab } from "../test/lab/support/image.ts";
import { startInGuest } from "../test/lab/support/sinew.ts";
import { nvme, plug, port, unplug } from "../test/lab/support/topology.ts";
import { type Row, row, spread } from "./measure.ts";

const ROUNDS = 50;
const DEADLINE_MS = 60_000;

/** From `device_add` to the conductor's `GET /hardware`, in a guest that is emulated: 12 to 28 times slower than a machine. */
export async function hotplug(): Promise<Row[]> {
  const what = `hot-plug to GET /hardware of the conductor, ${ROUNDS} of them`;
  try {
    const guest = await startGuest({ parts: [port("empty")], modules: ["nvme"] });
    const sinew = await startInGuest(guest, "--role", "all");
    const card = nvme("card", { bus: "empty" });
    const ssd = async () =>
      (await sinew.hardware()).find(({ acc_specs }) => acc_specs.device_type === "SSD")?.freshness;
    /** Milliseconds until the conductor says so, asked every 3 ms. */
    async function until(freshness: string): Promise<number> {
      const since = performance.now();
      while ((await ssd()) !== freshness) {
        if (performance.now() - since > DEADLINE_MS) throw new Error(`the card was not ${freshness} within a minute`);
        await Bun.sleep(3);
      }
      return performance.now() - since;
    }
    const times: number[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const since = performance.now();
      await plug(guest.qmp, card);
      await until("FRESH");
      if (round > 0) times.push(performance.now() - since); // the first warms up
      await unplug(guest.qmp, card);
      await until("GONE");
    }
    const sorted = [...times].sort((a, b) => a - b);
    const p99 = sorted[Math.ceil(0.99 * sorted.length) - 1] ?? Number.NaN;
    const target = (value: number) => ({ of: "ours", limit: "at most", value }) as const;
    return [
      row({ what: `${what}: p50`, unit: "ms", ours: spread(times), target: target(300) }),
      row({ what: `${what}: p99`, unit: "ms", ours: spread([p99]), target: target(1000) }),
    ];
  } catch (error) {
    if (!(error instanceof NoLab)) throw error;
    return [row({ what, unit: "ms", note: error.message })];
  } finally {
    await closeGuests();
  }
}
