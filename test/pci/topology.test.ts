import { expect, test } from "bun:test";
import { byAddress, placeByBridges, placeByLink } from "../../src/pci/sysfs/topology.ts";

test("placeByLink() names the way from the root without bus numbers", () => {
  const target = "../../../devices/pci0000:17/0000:17:00.0/0000:18:00.0";
  expect(placeByLink("0000:18:00.0", target)).toEqual({ path: "0000:17/00.0/00.0", parent: "0000:17:00.0" });
  const soc = "../../../devices/platform/soc/fd500000.pcie/pci0000:00/0000:00:00.0";
  expect(placeByLink("0000:00:00.0", soc)).toEqual({ path: "0000:00/00.0", parent: null });
});

test("placeByLink() begins at the last root: a VMD domain hangs below a function of another", () => {
  const target = "../../../devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0/10000:e1:00.0";
  expect(placeByLink("10000:e1:00.0", target)).toEqual({ path: "10000:e0/06.0/00.0", parent: "10000:e0:06.0" });
});

test("placeByLink() believes no link that leads to another function", () => {
  expect(placeByLink("0000:18:00.0", "../../../devices/pci0000:17/0000:17:00.0")).toBeNull();
});

test("placeByBridges() follows buses upward", () => {
  const place = placeByBridges([
    { address: "0000:00:01.0", secondary: 1 },
    { address: "0000:01:02.0", secondary: 2 },
  ]);
  expect(place("0000:02:00.1")).toEqual({ path: "0000:00/01.0/02.0/00.1", parent: "0000:01:02.0" });
  expect(place("0000:00:01.0")).toEqual({ path: "0000:00/01.0", parent: null });
  expect(place("0001:02:00.1")).toEqual({ path: "0001:02/00.1", parent: null });
});

test("placeByBridges() survives buses that contain themselves", () => {
  const place = placeByBridges([
    { address: "0000:01:00.0", secondary: 2 },
    { address: "0000:02:00.0", secondary: 1 },
    { address: "0000:03:00.0", secondary: 3 },
  ]);
  expect(place("0000:02:05.0").path).toBe("0000:02/05.0");
  expect(place("0000:03:05.0").path).toBe("0000:03/05.0");
});

test("byAddress() orders longer domains behind shorter ones", () => {
  const sorted = ["10000:00:00.0", "0000:ff:00.0", "ffff:00:00.0", "0000:02:00.1", "0000:02:00.0"].sort(byAddress);
  expect(sorted).toEqual(["0000:02:00.0", "0000:02:00.1", "0000:ff:00.0", "ffff:00:00.0", "10000:00:00.0"]);
});
