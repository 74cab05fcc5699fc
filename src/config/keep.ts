import type { Reader } from "./reader.ts";

/** How long what is forgotten is kept; null: without end. */
interface Keep {
  seconds: number | null;
  count: number | null;
}

/** By what is kept; what is not told is kept as by default. */
export type KeepConfig = Partial<Record<"changes" | "operations" | "alarms" | "audit", Keep>>;

const UNITS: Record<string, number> = { m: 60, h: 3_600, d: 86_400 };

export function readKeep({ parsed }: Pick<Reader, "parsed">): KeepConfig {
  const read = (kind: string) =>
    parsed(`keep-${kind}`, "an age such as 30d or 12h, a number, both with a comma, or all", parseKeep);
  const [changes, operations] = [read("changes"), read("operations")];
  const [alarms, audit] = [read("alarms"), read("audit")];
  return {
    ...(changes && { changes }),
    ...(operations && { operations }),
    ...(alarms && { alarms }),
    ...(audit && { audit }),
  };
}

/** `30d`, `1000000`, `30d,1000000` or `all`; null: none of these. */
export function parseKeep(text: string): Keep | null {
  const keep: Keep = { seconds: null, count: null };
  if (text === "all") return keep;
  for (const part of text.split(",").map((one) => one.trim())) {
    const [, digits, unit] = /^([1-9]\d{0,11})([mhd]?)$/.exec(part) ?? [];
    if (digits === undefined || unit === undefined) return null;
    const name = unit === "" ? "count" : "seconds";
    if (keep[name] !== null) return null;
    keep[name] = Number(digits) * (UNITS[unit] ?? 1);
    // A date so long ago has no name.
    if (name === "seconds" && keep[name] > 3e9) return null;
  }
  return keep;
}
