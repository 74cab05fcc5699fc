import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { scanPci } from "../../src/pci/sysfs/scan.ts";
import { compareWithLspci, hasLspci } from "../support/lspci.ts";
import { archives, fixtures, unpackingPlace } from "../support/recorded.ts";

/** A right answer for one function; a field is there where the record shows it. */
interface Expected {
  vendor: string;
  device: string;
  class: string;
  prog_if: string;
  revision?: string;
  subsystem?: string;
  driver?: string;
  numa_node?: number;
  parent: string | null;
  physfn?: string;
  sriov_totalvfs?: number;
  sriov_numvfs?: number;
  current_link_speed?: string;
  current_link_width?: string;
  max_link_speed?: string;
  max_link_width?: string;
}

const place = unpackingPlace();
afterAll(place.close, 30_000);
const { unpack } = place;

/** A tree edited by hand has this card's directory below three bridges; the answer is about another than the bus links to. */
const AMBIGUOUS = new Set(["hwloc/fakepcilocalities.tar.bz2 0000:43:00.0"]);

const gts = (text: string | undefined) => (text === undefined ? undefined : Number.parseFloat(text));
const lanes = (text: string | undefined) => (text === undefined ? undefined : Number(text) || null);

describe.if(archives.length > 0)("recorded hosts", () => {
  test.each(archives)(
    "scanPci() reads %s as it was recorded",
    (archive) => {
      const sysfs = unpack(archive);
      const expected: Record<string, Expected> = JSON.parse(
        readFileSync(join(fixtures, `${archive}.expect.json`), "utf8"),
      );
      // Not the driver: lspci follows its link, and no record has what it leads to. The expected answers have it.
      if (hasLspci) compareWithLspci(sysfs, ["Class", "Vendor", "Device"]);
      const listed = readdirSync(join(sysfs, "bus/pci/devices"));
      const { functions, looked_at, problems } = scanPci({ sysfs });
      expect(looked_at).toBe(listed.length);
      // Every entry is a function or a problem; one archive has entries with a class and no ids.
      expect(functions.length + problems.length).toBe(listed.length);
      if (Object.keys(expected).length > 0) expect(problems).toEqual([]);
      for (const fn of functions) {
        if (AMBIGUOUS.has(`${archive} ${fn.address}`)) continue;
        const want = expected[fn.address];
        if (!want) throw new Error(`${fn.address} is not expected`);
        expect(fn).toMatchObject({
          vendor_id: want.vendor,
          device_id: want.device,
          class: want.class + want.prog_if,
          parent: want.parent,
          kernel_driver: want.driver ?? null,
          problems: [],
        });
        if (want.revision !== undefined) expect(fn.revision).toBe(want.revision);
        if (want.numa_node !== undefined) expect(fn.numa_node).toBe(want.numa_node < 0 ? null : want.numa_node);
        if (want.physfn !== undefined) expect(fn.sriov?.pf).toBe(want.physfn);
        if (want.sriov_totalvfs !== undefined) {
          expect(fn.sriov).toMatchObject({ total: want.sriov_totalvfs, enabled: want.sriov_numvfs });
        }
        // 0000 and ffff are no vendor: such a function names no subsystem.
        if (want.subsystem !== undefined && !/^(0000|ffff):/.test(want.subsystem)) {
          expect(`${fn.subsystem_vendor_id}:${fn.subsystem_device_id}`).toBe(want.subsystem);
        }
        const link = {
          speed_gts: gts(want.current_link_speed),
          width: lanes(want.current_link_width),
          max_speed_gts: gts(want.max_link_speed),
          max_width: lanes(want.max_link_width),
        };
        for (const [name, value] of Object.entries(link)) {
          if (value !== undefined) expect({ ...fn.link }).toHaveProperty(name, value);
        }
      }
      expect(new Set(functions.map(({ path }) => path)).size).toBe(functions.length);
    },
    30_000,
  );
});
