import { claimAs, isVf } from "../claim.ts";
import { type Ids, identify } from "../ids.ts";
import type { Kind } from "../kind.ts";

const XILINX = "10ee";

/** FPGA cards. The design decides the class, so ids and, for two vendors, the vendor alone say what it is. */
export const fpga: Kind = {
  name: "fpga",
  deviceType: "FPGA",
  claim: claimAs("FPGA", { count: (fn, siblings) => (isCounted(fn, siblings) ? 1 : 0) }),
};

/**
 * An Alveo shows a management and a user function at one bus and device, and is one card: the user function counts
 * when it is there, else the first one, so that a card whose user function is missing is still a card.
 */
function isCounted(fn: Ids, siblings: readonly Ids[]): boolean {
  if (fn.vendor_id !== XILINX) return true;
  const own = siblings.filter((other) => other.vendor_id === XILINX && isCardFunction(other));
  const first = own.sort((a, b) => rank(a) - rank(b) || (a.address < b.address ? -1 : 1))[0];
  return !first || first.address === fn.address;
}

function isCardFunction(fn: Ids): boolean {
  const known = identify(fn);
  return known?.deviceType === "FPGA" && !isVf(fn, known);
}

function rank(fn: Ids): number {
  const role = identify(fn)?.role;
  if (role === "user") return 0;
  return role === "management" ? 2 : 1;
}
