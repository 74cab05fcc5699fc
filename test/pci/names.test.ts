import { expect, test } from "bun:test";
import { pciNames } from "../../src/pci/names.ts";

const text = `# comment
0001  SafeNet (wrongly)
10de  NVIDIA Corporation
\t2331  GH100 [H100 PCIe]
# a comment inside
\t\t10de 1626  H100 of NVIDIA
\t2332  Another
\t\t1028 1626  Another of Dell
1af4  Red Hat, Inc.
\t1041  Virtio 1.0 network device
8086  Intel Corporation
\t4940  4xxx Series QAT

C 03  Display controller
\t00  VGA compatible controller
\t\t00  VGA controller
\t02  3D controller
C ff  Unassigned class
`;
const names = pciNames({ text });

test("pciNames() names vendors and devices, and only a vendor's own devices", () => {
  expect(names("10de", "2331")).toEqual({ vendor: "NVIDIA Corporation", device: "GH100 [H100 PCIe]" });
  expect(names("8086", "4940")).toEqual({ vendor: "Intel Corporation", device: "4xxx Series QAT" });
  expect(names("10de", "1041")).toEqual({ vendor: "NVIDIA Corporation", device: null });
  expect(names("0001", "4940")).toEqual({ vendor: "SafeNet (wrongly)", device: null });
  expect(names("beef", "0000")).toEqual({ vendor: null, device: null });
});

test("pciNames() names a subsystem under its own device only", () => {
  const ids = { vendor_id: "10de", device_id: "2331", subsystem_vendor_id: "10de", subsystem_device_id: "1626" };
  expect(names.subsystem(ids)).toBe("H100 of NVIDIA");
  expect(names.subsystem({ ...ids, subsystem_vendor_id: "1028" })).toBeNull();
  expect(names.subsystem({ ...ids, device_id: "ffff" })).toBeNull();
});

test("pciNames() names a class by its sub-class, else by its base", () => {
  expect(names.class("030200")).toBe("3D controller");
  expect(names.class("038000")).toBe("Display controller");
  expect(names.class("ff0000")).toBe("Unassigned class");
  expect(names.class("120000")).toBeNull();
});

test("pciNames() knows nothing without a file, and takes the first that is there", () => {
  expect(pciNames({ paths: ["/no/such/pci.ids"] })("10de", "2331")).toEqual({ vendor: null, device: null });
  const own = new URL(import.meta.url).pathname;
  expect(pciNames({ paths: ["/no/such/pci.ids", own] }).vendor("1af4")).toBe("Red Hat, Inc.");
});
