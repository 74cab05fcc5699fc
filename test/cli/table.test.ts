import { describe, expect, test } from "bun:test";
import { hardwareTable } from "../../src/cli/table.ts";
import { fromScan } from "../../src/drivers/discover.ts";
import type { PciFunction } from "../../src/pci/function.ts";
import { pciFunction } from "../drivers/functions.ts";

const node = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "rack-7" };
const link = { speed_gts: 16, width: 4, max_speed_gts: 16, max_width: 16 };
const narrow: Partial<PciFunction> = {
  hops: [{ device: "0000:01:00.0", port: "0000:00:01.0", ...link, both_speed_gts: 16, both_width: 16 }],
  link,
};
const noIommu: Partial<PciFunction> = { iommu: { state: "absent", table: null, parameter: null } };

function line(given: Partial<PciFunction>): string {
  const functions = [pciFunction("10de:2330", "0302", given)];
  const { hardware } = fromScan({ functions, problems: [] }, { node, now: new Date() });
  return hardwareTable(hardware, { colour: false }).split("\n")[1] ?? "";
}

describe("the end of a device's line", () => {
  test("of one that is ready names a link that lost lanes, and nothing that is well, unknown or about guests", () => {
    expect(line({ kernel_driver: "nvidia", ...noIommu })).toEndWith("yes");
    expect(line({ kernel_driver: "nvidia", ...narrow, ...noIommu })).toMatch(
      /16GT\/s x4 of 16GT\/s x16 +yes +LinkNarrow: x4 /,
    );
  });

  test("of one that is not ready says why, and what else is wrong with it", () => {
    const said = line({ ...narrow, ...noIommu });
    expect(said).toContain("no     NoKernelDriver: no kernel driver is bound");
    expect(said).toContain("LinkNarrow: x4");
    expect(said).not.toMatch(/NotObservable|NoIommu/);
  });

  test("is broken where a terminal is no wider, and READY keeps its colour", () => {
    const { hardware } = fromScan(
      { functions: [pciFunction("10de:2330", "0302", noIommu)], problems: [] },
      { node, now: new Date() },
    );
    const out = hardwareTable(hardware, { colour: true, wrap: 60 });
    expect(out).toContain("  \u001b[31mno\u001b[39m\n    NoKernelDriver: ");
    for (const below of out.split("\n").filter((one) => one.startsWith("    ")))
      expect(below.length).toBeLessThanOrEqual(60);
    const whole = hardwareTable(hardware, { colour: false });
    const words = (text: string) => Bun.stripANSI(text).replace(/\s+/g, " ");
    expect(words(out)).toBe(words(whole));
  });
});
