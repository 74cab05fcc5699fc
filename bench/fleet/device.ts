import { main } from "../processes.ts";
import { output } from "../programs.ts";

export const DEVICES = 8;

/** Devices and sources as an agent reports them, all of one node. */
export interface Template {
  hardware: Record<string, unknown>[];
  sources: Record<string, unknown>[];
}

/** The node's id. */
export const idOf = (index: number): string => `f1ee0000-0000-4000-8000-${index.toString(16).padStart(12, "0")}`;

/** Eight devices as the scan of a recorded machine reports those that are well: a fleet in which a quarter is dead is another measurement. */
export async function template(): Promise<Template> {
  const snapshot = new URL("../../docs/example-host.json", import.meta.url).pathname;
  const { hardware, sources }: Template = JSON.parse(
    await output([process.execPath, main, "scan", "--snapshot", snapshot, "--json"]),
  );
  const well = hardware.filter((device) => !JSON.stringify(device).includes('"type":"Responding","status":"false"'));
  const eight = Array.from({ length: DEVICES }, (_, at) => well[at % well.length] ?? {});
  return { hardware: eight, sources };
}

/** What this agent answers to GET /hardware, JSON; the device that changed last says when. */
export function devicesOf(
  { hardware, sources }: Template,
  index: number,
  generation: string,
  changed: { device: number; at: number } | null,
): string {
  const node = { id: idOf(index), name: `compute-${index}` };
  return JSON.stringify({
    hardware: hardware.map((device, at) => ({
      ...device,
      uuid: `${(index * DEVICES + at).toString(16).padStart(8, "0")}-0000-5000-8000-00000000f1ee`,
      node,
      ...(changed?.device === at ? { attributes: { bench_changed_at: changed.at } } : {}),
    })),
    sources,
    generation,
  });
}
