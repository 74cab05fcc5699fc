import { expect, test } from "bun:test";
import { generationOf } from "../../src/tiers/generation.ts";

const device = (speed_gts: number, full: { status: string; reason: string; since: string }) => ({
  pci: { link: { speed_gts, width: 16, max_speed_gts: 16, max_width: 16 } },
  acc_status: { conditions: [{ type: "LinkFull", message: `${speed_gts} GT/s`, action: null, ...full }] },
});
const generation = (hardware: unknown) => generationOf({ hardware: [hardware], sources: [] });

test("a generation is the same for a link that is slower for now, and another for one with fewer lanes", async () => {
  const fast = device(16, { status: "true", reason: "LinkFull", since: "2026-01-01T00:00:00.000Z" });
  const slow = device(2.5, { status: "unknown", reason: "LinkSlow", since: "2026-01-02T00:00:00.000Z" });
  const narrow = device(16, { status: "false", reason: "LinkNarrow", since: "2026-01-02T00:00:00.000Z" });
  expect(await generation(slow)).toBe(await generation(fast));
  expect(await generation(narrow)).not.toBe(await generation(fast));
  const moved = { ...fast, pci: { link: { ...fast.pci.link, width: 8 } } };
  expect(await generation(moved)).not.toBe(await generation(fast));
});
