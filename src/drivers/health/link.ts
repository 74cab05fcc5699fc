import type { PciFunction, PciHop } from "../../pci/function.ts";
import type { Said } from "./said.ts";

const RESEAT =
  "Reseat the card, its riser or cable, and look at the slot's bifurcation in the firmware's settings; dmesg has AER errors of a bad link";

/**
 * Whether the function's way up has all the lanes and the speed that it could have. Fewer lanes than both ends of a
 * link can is a fault; less speed is none by itself, since devices slow their link down while they idle (PCIe 6.0,
 * 6.11), and nothing that is read here tells whether this one is busy. Null for what has no link of its own.
 */
export function linkFull(fn: PciFunction): Said | null {
  const type = "LinkFull";
  const { hops } = fn;
  if (hops?.length === 0) return null;
  if (fn.response === "asleep") {
    const message = "in runtime suspend, and not woken to be asked";
    return { type, status: "unknown", reason: "Asleep", message, action: null };
  }
  if (hops === null) {
    return { type, status: "unknown", reason: "NotObservable", message: "its link could not be read", action: null };
  }
  const narrow = hops.find((hop) => lacks(hop.width, hop.both_width, null) === true);
  if (narrow) {
    const message = `x${narrow.width} ${between(narrow)}, where both ends can x${narrow.both_width}`;
    return { type, status: "false", reason: "LinkNarrow", message, action: RESEAT };
  }
  const dark = hops.find((hop) => lacks(hop.width, hop.both_width, hop.max_width) === null);
  if (dark) {
    const message = `x${dark.width ?? "?"} ${between(dark)}, and what both ends can is not to be seen`;
    return { type, status: "unknown", reason: "NotObservable", message, action: null };
  }
  const slow = hops.find((hop) => lacks(hop.speed_gts, hop.both_speed_gts, hop.max_speed_gts) !== false);
  if (slow) {
    const can = slow.both_speed_gts === null ? "" : `, where both ends can ${slow.both_speed_gts} GT/s`;
    const message = `${slow.speed_gts ?? "?"} GT/s ${between(slow)}${can}: devices slow their link down while they idle`;
    return { type, status: "unknown", reason: "LinkSlow", message, action: null };
  }
  const [own] = hops;
  const limit = own?.both_width != null && own.max_width !== null && own.both_width < own.max_width ? own : null;
  const message = `x${own?.width} at ${own?.speed_gts} GT/s${limit ? `; it could x${limit.max_width}, ${limit.port} can x${limit.both_width}` : ""}`;
  return { type, status: "true", reason: "LinkFull", message, action: null };
}

/** Whether `now` is less than `both` ends can, or without the upper one than the lower `end` can; null: not to be told. */
function lacks(now: number | null, both: number | null, end: number | null): boolean | null {
  if (now === null) return null;
  if (both !== null) return now < both;
  return end !== null && now >= end ? false : null;
}

const between = ({ device, port }: PciHop) => (port === null ? `at ${device}` : `between ${device} and ${port}`);
