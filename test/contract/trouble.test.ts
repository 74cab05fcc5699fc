import { expect, test } from "bun:test";
import { troubleOf } from "../../src/contract/device/trouble.ts";
import type { Hardware } from "../../src/contract/hardware.ts";

const device = (
  freshness: Hardware["freshness"],
  ...conditions: [type: string, status: "true" | "false" | "unknown"][]
) => ({
  freshness,
  acc_status: {
    ...{ setup_required: false, reboot_required: false, ready: false },
    conditions: conditions.map(([type, status]) => ({
      type,
      status,
      reason: "Any",
      message: "",
      action: null,
      since: "2026-01-01T00:00:00Z",
    })),
  },
});

test("troubleOf() names what makes a device ill, the gravest first", () => {
  expect(troubleOf(device("FRESH", ["LinkFull", "false"], ["Responding", "false"]))).toBe("Responding,LinkFull");
  expect(troubleOf(device("STALE", ["ErrorFree", "false"], ["Responding", "true"]))).toBe("ErrorFree");
});

test("troubleOf() is null for a device that needs setting up, sleeps or is only not known", () => {
  expect(
    troubleOf(device("FRESH", ["DriverBound", "false"], ["Configured", "false"], ["IommuReady", "false"])),
  ).toBeNull();
  expect(troubleOf(device("FRESH", ["Responding", "unknown"], ["LinkFull", "unknown"]))).toBeNull();
  expect(troubleOf(device("FRESH"))).toBeNull();
});

test("troubleOf() is null for a device that is gone: it is missing, not ill", () => {
  expect(troubleOf(device("GONE", ["Present", "false"]))).toBeNull();
});
