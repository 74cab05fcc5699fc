import { existsSync } from "node:fs";
import { iommuReady } from "../../drivers/health/iommu.ts";
import type { PciFunction } from "../../pci/function.ts";
import { PCI_IDS } from "../../pci/names.ts";
import type { ScanResult } from "../../pci/sysfs/scan.ts";
import { Exit } from "../exit.ts";
import { startScan } from "../scan.ts";
import { type Finding, failed, good, warning } from "./finding.ts";

/** Whether this process may read all of the bus, and what the bus itself says against using it. */
export async function busFindings(sysfs: string): Promise<Finding[]> {
  const check = "bus";
  if (process.platform !== "linux")
    return [failed(check, `expected Linux, found ${process.platform}: there is no sysfs to read`, null)];
  let found: ScanResult;
  try {
    const running = startScan(sysfs, true);
    found = await running.result.finally(running.close);
  } catch (error) {
    if (error instanceof Exit) throw error;
    const why = error instanceof Error ? error.message : String(error);
    return [failed(check, why, "mount sysfs at /sys, or name it with --sysfs; a container needs /sys of its host")];
  }
  const { functions, looked_at, problems } = found;
  if (looked_at === 0) {
    return [
      warning(check, `${sysfs} lists no PCI function`, "a virtual machine or container has to be given its devices"),
    ];
  }
  const unread = problems.map(({ name, message }) => `${name}: ${message}`);
  return [
    good(check, `${looked_at} PCI functions at ${sysfs}`),
    ...unread.map((message) => failed(check, message, "see dmesg for the device, and reseat or replace it")),
    privileges(functions),
    iommu(functions),
  ];
}

function privileges(functions: readonly PciFunction[]): Finding {
  const check = "privileges";
  const withheld = functions.filter(({ problems }) => problems.some(({ reason }) => reason === "Unprivileged"));
  if (withheld.length === 0) return good(check, "all of config space can be read");
  const what = `of ${withheld.length} of ${functions.length} functions the kernel shows 64 bytes of config space: links, serials and errors of them stay unknown`;
  return warning(check, what, "run as root, or with CAP_SYS_ADMIN as deploy/systemd/sinew-agent.service does");
}

function iommu(functions: readonly PciFunction[]): Finding {
  const check = "iommu";
  const grouped = functions.find(({ iommu_group }) => iommu_group !== null);
  const { status, message, action } = iommuReady(
    grouped ?? { iommu: functions.find(({ iommu }) => iommu !== null)?.iommu ?? null, iommu_group: null },
  );
  if (status === "true") return good(check, "on: devices can be handed to guests");
  return warning(check, `${message}; only what hands devices to guests needs one`, action ?? "reboot with one");
}

/** Where names of vendors and devices come from. */
export async function nameFindings(paths: readonly string[] = PCI_IDS): Promise<Finding[]> {
  const found = paths.find((path) => existsSync(path));
  if (found) return [good("pci.ids", found)];
  const missing = `none of ${paths.join(", ")} is there: devices are shown by their ids`;
  return [warning("pci.ids", missing, "install pci.ids (Debian) or hwdata (Fedora, Alpine)")];
}
