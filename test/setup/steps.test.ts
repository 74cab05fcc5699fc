import { expect, test } from "bun:test";
import fc from "fast-check";
import type { FunctionFacts } from "../../src/setup/facts/facts.ts";
import { originalOf, reached, stepsOf, targetBack, targetOf } from "../../src/setup/plan/steps.ts";

const PF = "0000:5e:00.0";
const driver = fc.constantFrom(null, "vfio-pci", "nvme", "ice");
const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });

const base = { vendor_id: "8086", device_id: "1592", class: "020000", path: "0000:5d/00.0/00.0", iommu_group: 1 };
const plain = fc
  .record({ kernel_driver: driver, driver_override: driver })
  .map((one): FunctionFacts => ({ ...base, ...one, address: PF, sriov: null, physfn: null }));
/** A function, with VFs where it has SR-IOV and a driver that could make them. */
const host = fc
  .tuple(plain, fc.boolean(), fc.array(fc.record({ kernel_driver: driver, driver_override: driver }), { maxLength: 4 }))
  .map(([fn, sriov, list]): [FunctionFacts, FunctionFacts[]] => {
    if (!sriov) return [fn, []];
    const vfs = (fn.kernel_driver === null ? [] : list).map(
      (one, index): FunctionFacts => ({ ...base, ...one, address: `0000:5e:00.${index + 1}`, sriov: null, physfn: PF }),
    );
    const facts = { total: 8, enabled: vfs.length, autoprobe: "1" as const, offset: 1, stride: 1 };
    return [{ ...fn, sriov: { ...facts, vfs: vfs.map(({ address }) => address) } }, vfs];
  });
const wanted = fc.record({
  kernel_driver: maybe(driver),
  sriov_vfs: maybe(fc.integer({ min: 0, max: 8 })),
  vf_driver: maybe(driver),
});

test("stepsOf() has nothing to write where its target is reached, and nothing where it is taken back", () => {
  fc.assert(
    fc.property(host, wanted, ([fn, vfs], rule) => {
      const target = targetOf(rule);
      const [then, thenVfs] = reached(fn, vfs, target);
      expect(stepsOf("/sys", then, thenVfs, target)).toEqual([]);
      const back = targetBack(originalOf(fn, vfs));
      const [again, againVfs] = reached(then, thenVfs, back);
      expect(stepsOf("/sys", again, againVfs, back)).toEqual([]);
      expect({ ...again, sriov: again.sriov?.enabled ?? 0 }).toEqual({ ...fn, sriov: fn.sriov?.enabled ?? 0 });
      expect(againVfs.map(({ kernel_driver }) => kernel_driver)).toEqual(vfs.map(({ kernel_driver }) => kernel_driver));
    }),
    { numRuns: 500 },
  );
});

test("stepsOf() goes through 0 before another number of VFs, and reserves a function before it unbinds it", () => {
  fc.assert(
    fc.property(host, wanted, ([fn, vfs], rule) => {
      const steps = stepsOf("/sys", fn, vfs, targetOf(rule));
      let count = fn.sriov?.enabled ?? 0;
      for (const { kind, write } of steps) {
        if (kind !== "vfs") continue;
        expect(count === 0 || write.to === "0").toBe(true);
        count = Number(write.to);
      }
      const kinds = steps.filter(({ address }) => address === PF).map(({ kind }) => kind);
      if (kinds.includes("unbind") && kinds.includes("override")) {
        expect(kinds.indexOf("override")).toBeLessThan(kinds.indexOf("unbind"));
      }
    }),
    { numRuns: 500 },
  );
});
