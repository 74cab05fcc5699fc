import type { PciFunction, PciProblem } from "../pci/function.ts";
import { errorFree } from "./health/errors.ts";
import { iommuReady } from "./health/iommu.ts";
import { linkFull } from "./health/link.ts";
import { present } from "./health/present.ts";
import type { Said } from "./health/said.ts";
import { bindAction, overrideAction } from "./modules.ts";

/** What one reading says about a function: the required conditions first, at the end one for each kind of problem. */
export function conditionsOf(
  fn: PciFunction,
  expected: { kernelDrivers: readonly string[]; driverNeeded: boolean },
): Said[] {
  const link = linkFull(fn);
  return [
    responding(fn),
    driverBound(fn, expected),
    present(fn),
    ...(link ? [link] : []),
    errorFree(fn, null),
    iommuReady(fn),
    ...remaining(fn.problems),
  ];
}

/** Problems that answer the question whether the function responds, the gravest first. */
const SILENT: readonly PciProblem["reason"][] = ["Vanished", "Hung", "AllOnes"];

const POWER_CYCLE =
  "Look for link and AER errors in dmesg; then power-cycle the slot or the machine, and reseat the card if it stays away";
const ACTIONS: Readonly<Record<PciProblem["reason"], string>> = {
  AllOnes: POWER_CYCLE,
  Hung: `A read of this function never returned, and nothing reads it again until it does. ${POWER_CYCLE}`,
  Unprivileged: "Run with CAP_SYS_ADMIN, as root for example, to have all of it",
  Vanished: "Scan again; if it was not removed on purpose, look in dmesg for why the kernel let go of it",
  Unreadable: "Look at the error in the message; run with more rights if it is about permission, else look in dmesg",
  ConfigTruncated: "Run with CAP_SYS_ADMIN, or record the dump again with all bytes; if it stays short, look in dmesg",
  BadCapabilities: "Update the card's firmware; if it came only now, power-cycle the slot",
  BadName: "Report this: the kernel names every device directory by its PCI address",
};

function responding(fn: PciFunction): Said {
  const type = "Responding";
  const silent = SILENT.flatMap((reason) => fn.problems.filter((problem) => problem.reason === reason));
  if (silent[0]) {
    const message = silent.map((problem) => problem.message).join("; ");
    return { type, status: "false", reason: silent[0].reason, message, action: ACTIONS[silent[0].reason] };
  }
  switch (fn.response) {
    case "responding":
      return { type, status: "true", reason: "ConfigRead", message: "its config space answers", action: null };
    case "asleep":
      return {
        type,
        status: "unknown",
        reason: "Asleep",
        message: "in runtime suspend, and not woken to be asked",
        action: null,
      };
    case "unobservable":
      return {
        type,
        status: "unknown",
        reason: "NotObservable",
        message: "nothing that could be read here tells whether it answers",
        action: null,
      };
    case "silent": {
      const unreadable = fn.problems.find((problem) => problem.reason === "Unreadable");
      const reason = unreadable ? "Unreadable" : "AllOnes";
      const message = unreadable?.message ?? "its config space reads all ones: nothing answers at this address";
      return { type, status: "false", reason, message, action: ACTIONS[reason] };
    }
  }
}

function driverBound(fn: PciFunction, expected: { kernelDrivers: readonly string[]; driverNeeded: boolean }): Said {
  const type = "DriverBound";
  const driver = fn.kernel_driver;
  const { kernelDrivers, driverNeeded } = expected;
  if (driver === "pci-stub") {
    // It claims a function so that no other driver does, and offers nothing to anyone. (pci-pf-stub is another thing:
    // it hands out VFs, and is right for some cards.)
    const message = "pci-stub holds it so that nothing can use it";
    return { type, status: "false", reason: "StubDriver", message, action: bindAction(fn, kernelDrivers, driver) };
  }
  if (driver !== null) {
    // Another driver than the known ones is still a driver: vendors ship their own, and they change their names.
    const usual = kernelDrivers.length === 0 || kernelDrivers.includes(driver);
    const message = usual ? `${driver} is bound` : `${driver} is bound, where ${either(kernelDrivers)} was expected`;
    return { type, status: "true", reason: "Bound", message, action: null };
  }
  if (!fn.driverObservable) {
    const message = "a recording without sysfs does not tell which kernel driver was bound";
    return { type, status: "unknown", reason: "NotObservable", message, action: null };
  }
  if (!driverNeeded) {
    const message = "no kernel driver is bound; whether it needs one is not known";
    return { type, status: "unknown", reason: "NoKernelDriver", message, action: null };
  }
  const reason = "NoKernelDriver";
  if (fn.driver_override !== null) {
    const message = `no kernel driver is bound, and driver_override lets none but ${fn.driver_override} bind`;
    return { type, status: "false", reason, message, action: overrideAction(fn, fn.driver_override) };
  }
  const message = kernelDrivers.length
    ? `no kernel driver is bound; ${either(kernelDrivers)} would make it usable`
    : "no kernel driver is bound";
  return { type, status: "false", reason, message, action: bindAction(fn, kernelDrivers, null) };
}

/** Condition types for what went wrong beside the question whether it responds. */
const TYPES: Readonly<Partial<Record<PciProblem["reason"], string>>> = {
  Unreadable: "Readable",
  ConfigTruncated: "ConfigComplete",
  Unprivileged: "ConfigReadable",
  BadCapabilities: "ConfigValid",
  BadName: "AddressValid",
};

/** One condition per kind of problem, with the messages of all problems of that kind: none is dropped. */
function remaining(problems: readonly PciProblem[]): Said[] {
  const said: Said[] = [];
  for (const { reason, message } of problems) {
    if (SILENT.includes(reason)) continue;
    const type = TYPES[reason] ?? "Readable";
    const same = said.find((condition) => condition.type === type && condition.reason === reason);
    // Too few rights say nothing about the device.
    const status = reason === "Unprivileged" ? "unknown" : "false";
    if (same) same.message += `; ${message}`;
    else said.push({ type, status, reason, message, action: ACTIONS[reason] });
  }
  return said;
}

function either(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? "") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}
