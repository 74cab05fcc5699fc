import type { PciFunction } from "../../pci/function.ts";
import type { Said } from "./said.ts";

/** Whether the kernel lists the function. One that it lists no more is no entry at all, and GONE further up. */
export function present({ address, problems }: PciFunction): Said {
  const type = "Present";
  const gone = problems.find(({ reason }) => reason === "Vanished");
  if (!gone) return { type, status: "true", reason: "Listed", message: `the bus lists ${address}`, action: null };
  const action = "Scan again; if it was not removed on purpose, look in dmesg for why the kernel let go of it";
  return { type, status: "false", reason: "Vanished", message: gone.message, action };
}
