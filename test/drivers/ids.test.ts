import { describe, expect, test } from "bun:test";
import { ID_TABLES, identify } from "../../src/drivers/ids.ts";

const rows = ID_TABLES.flatMap(([type, groups]) =>
  groups.flatMap((group) => group.ids.map(([id, name, role]) => ({ type, group, id, name, role }))),
);

describe("the id tables", () => {
  test("hold each vendor:device once", () => {
    const ids = rows.map((row) => row.id);
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
    expect(ids.length).toBeGreaterThan(350);
  });

  test("are written in lower-case hex", () => {
    for (const { id } of rows) expect(id).toMatch(/^[0-9a-f]{4}:[0-9a-f]{4}$/);
  });

  test("name every row, and say where every row comes from", () => {
    for (const { name, group } of rows) {
      expect(name.trim()).toBe(name);
      expect(name.length).toBeGreaterThan(1);
      expect(group.source.length).toBeGreaterThan(5);
    }
  });

  test("pair every Alveo management function with the user function of the next id", () => {
    const roles = new Map(rows.map((row) => [row.id, row.role]));
    for (const { id, role } of rows) {
      if (role !== "management") continue;
      const next = (Number.parseInt(id.slice(5), 16) + 1).toString(16).padStart(4, "0");
      expect(roles.get(`10ee:${next}`)).toBe("user");
    }
  });

  test("give no driver name that modprobe or sysfs could not show", () => {
    for (const { group } of rows) for (const driver of group.drivers) expect(driver).toMatch(/^[a-z0-9_-]+$/);
  });
});

describe("identify()", () => {
  const of = (id: string, pciClass: string) => {
    const [vendor_id = "", device_id = ""] = id.split(":");
    return identify({ vendor_id, device_id, class: pciClass });
  };

  test("takes a vendor's unpublished ids for its kind of card, whatever the class leaves open", () => {
    expect(of("1172:abcd", "120000")?.deviceType).toBe("FPGA");
    expect(of("1172:abcd", "ff0000")?.deviceType).toBe("FPGA");
    expect(of("10ee:7777", "058000")?.deviceType).toBe("FPGA");
    expect(of("1e0d:0001", "120000")?.deviceType).toBe("AICHIP");
    expect(of("1ed5:9999", "120000")?.deviceType).toBe("GPU");
    expect(of("1002:75c1", "120000")?.deviceType).toBe("GPU");
  });

  test("leaves a vendor's bridges, network and storage functions and GPU audio to their class", () => {
    for (const id of ["1172:abcd", "1e0d:0001", "10ee:7777", "1ed5:9999", "cabc:1234"]) {
      for (const pciClass of ["060400", "020000", "010802", "040300", "0c0330"]) {
        expect(of(id, pciClass)).toBeUndefined();
      }
    }
    expect(of("1002:ab38", "040300")).toBeUndefined();
  });
});
