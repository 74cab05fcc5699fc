import { Exit } from "../exit.ts";

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `90s`, `10m`, `2h` or `1d`. Throws Exit 2 naming the flag. */
export function durationMs(flag: string, text: string, { least = 1 }: { least?: number } = {}): number {
  const [, number, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS[unit ?? ""] ?? Number.NaN);
  if (ms >= least) return ms;
  throw new Exit(2, `${flag}: expected a time such as 90s, 10m, 2h or 1d, found ${JSON.stringify(text)}`);
}
