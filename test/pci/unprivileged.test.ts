import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { toHardware } from "../../src/drivers/hardware.ts";
import { scanPci } from "../../src/pci/sysfs/scan.ts";
import { pciFunction } from "../drivers/functions.ts";

const devices = "/sys/bus/pci/devices";
const config = (address: string) => join(devices, address, "config");
const addresses = existsSync(devices) ? readdirSync(devices) : [];
// A real bus, and the right to read all of it, which is what is given up.
const privileged = addresses.some(
  (address) => statSync(config(address)).size > 64 && readFileSync(config(address))[64] !== undefined,
);
const can = privileged && process.getuid?.() === 0 && Bun.which("setpriv") !== null;

test.if(can)("scanPci() says what it may not read without privileges, and reads the rest as with them", async () => {
  const module = JSON.stringify(join(import.meta.dir, "../../src/pci/sysfs/scan.ts"));
  const code = `const { scanPci } = await import(${module}); console.log(JSON.stringify(scanPci({ sysfs: "/sys" })))`;
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
  const child = Bun.spawn([...nobody, process.execPath, "-e", code], { env: { HOME: "/" }, cwd: "/" });
  const seen: ReturnType<typeof scanPci> = JSON.parse(await new Response(child.stdout).text());
  const root = scanPci({ sysfs: "/sys" });
  expect(seen.functions.map((fn) => fn.address)).toEqual(root.functions.map((fn) => fn.address));
  for (const [i, fn] of seen.functions.entries()) {
    const withheld = statSync(config(fn.address)).size > 64;
    expect(fn.problems.map(({ reason }) => reason)).toEqual(withheld ? ["Unprivileged"] : []);
    // The link is in attributes that anyone may read.
    expect(fn).toMatchObject({ ...root.functions[i], serials: [], link: fn.link, problems: fn.problems });
  }
  expect(root.functions.flatMap((fn) => fn.problems)).toEqual([]);
});

test("toHardware() calls a device ready of which not everything may be read", () => {
  const message = "its serial number could not be read";
  const fn = pciFunction("10de:2330", "0302", {
    kernel_driver: "nvidia",
    problems: [{ reason: "Unprivileged", message }],
  });
  const node = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "rack-7" };
  const { acc_status } = toHardware(fn, { node, kind: null, claim: null, now: new Date(0) });
  expect(acc_status.ready).toBe(true);
  expect(acc_status.conditions.find(({ type }) => type === "ConfigReadable")).toMatchObject({
    status: "unknown",
    reason: "Unprivileged",
    message,
    action: expect.stringContaining("CAP_SYS_ADMIN"),
  });
});
