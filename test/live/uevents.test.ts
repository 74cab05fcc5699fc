import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { whyDeaf } from "../../src/ffi/netlink.ts";
import { busEvent } from "../../src/live/uevents/message.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const uevent = (action: string, devpath: string, subsystem: string) =>
  bytes(`${action}@${devpath}\0ACTION=${action}\0DEVPATH=${devpath}\0SUBSYSTEM=${subsystem}\0SEQNUM=7\0`);
const GPU = "/devices/pci0000:00/0000:00:01.0/0000:01:00.0";

describe("busEvent()", () => {
  test.each([
    ["add", GPU, "pci", { address: "0000:01:00.0", presence: true }],
    ["remove", GPU, "pci", { address: "0000:01:00.0", presence: true }],
    ["bind", GPU, "pci", { address: "0000:01:00.0", presence: false }],
    ["change", GPU, "pci", { address: "0000:01:00.0", presence: false }],
    // Behind Intel VMD a domain has more digits.
    [
      "add",
      "/devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0",
      "pci",
      { address: "10000:e0:06.0", presence: true },
    ],
    // What is below a function tells of the function, not of the bridges above.
    ["add", `${GPU}/nvme/nvme0`, "nvme", { address: "0000:01:00.0", presence: false }],
    ["move", `${GPU}/net/enp1s0`, "net", { address: "0000:01:00.0", presence: false }],
    ["remove", `${GPU}/drm/card1`, "drm", { address: "0000:01:00.0", presence: false }],
    // What says nothing of an accelerator.
    ["add", "/devices/pci0000:00/0000:00:14.0/usb1/1-1", "usb", null],
    ["add", "/devices/virtual/net/lo", "net", null],
    ["add", "/devices/system/cpu/cpu1", "cpu", null],
    ["add", `${GPU}/0000:01:00.0:pcie001`, "pci_express", null],
  ] as const)("takes %s of %s, %s", (action, devpath, subsystem, expected) => {
    expect(busEvent(uevent(action, devpath, subsystem))).toEqual(expected);
  });

  test("takes nothing from what udev sends on", () => {
    expect(busEvent(bytes(`libudev\0\0\0\0SUBSYSTEM=pci\0ACTION=add\0DEVPATH=${GPU}\0`))).toBeNull();
  });

  test("gives an address or null for any bytes", () => {
    const part = fc.oneof(
      fc.constantFrom("ACTION=add", "SUBSYSTEM=pci", `DEVPATH=${GPU}`, "add@/", "\0", "\0\0", "=", "DEVPATH="),
      fc.string(),
    );
    const text = fc.array(part).map((parts) => bytes(parts.join("\0")));
    fc.assert(
      fc.property(fc.oneof(text, fc.uint8Array({ maxLength: 4096 })), (message) => {
        const event = busEvent(message);
        if (event) expect(event.address).toMatch(/^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/);
      }),
      { numRuns: 1000 },
    );
  });
});

test("whyDeaf() says why uevents tell nothing about a directory", () => {
  expect(whyDeaf(import.meta.dir)).toContain("no sysfs");
});

const program = new URL("./namespace.ts", import.meta.url).pathname;
/** Runs the program where its uevents are its own: a user and a network namespace made for it. */
const inNamespace = (what: string) => Bun.spawnSync(["unshare", "-Urn", process.execPath, program, what]);
const allowed = Bun.which("unshare") !== null && Bun.spawnSync(["unshare", "-Urn", "true"]).exitCode === 0;

test.if(allowed)("listen() hears the kernel of the PCI bus, and nobody who speaks like it", () => {
  const { stdout, stderr, exitCode } = inNamespace("kernel");
  expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  expect(JSON.parse(stdout.toString())).toEqual({
    presence: ["0000:01:00.0", "0000:00:1f.0"],
    other: ["0000:00:02.0", "0000:00:03.0"],
    lost: false,
  });
});

test.if(allowed)("listen() tells when more came than the socket could hold, and goes on listening", () => {
  const { stdout, stderr, exitCode } = inNamespace("lost");
  expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  expect(JSON.parse(stdout.toString())).toEqual({ lost: true });
});

test.if(allowed)("listen() tells when it cannot go on", () => {
  const { stdout, stderr, exitCode } = inNamespace("broken");
  expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  expect(JSON.parse(stdout.toString()).why).toBe("cannot receive uevents: errno 88");
});
