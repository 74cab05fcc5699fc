const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** From which age on it is said in which units, the last of them rounded down: as kubectl does. */
const SPANS: [until: number, large: [number, string], small: [number, string] | null][] = [
  [2 * MINUTE, [SECOND, "s"], null],
  [10 * MINUTE, [MINUTE, "m"], [SECOND, "s"]],
  [3 * HOUR, [MINUTE, "m"], null],
  [8 * HOUR, [HOUR, "h"], [MINUTE, "m"]],
  [2 * DAY, [HOUR, "h"], null],
  [8 * DAY, [DAY, "d"], [HOUR, "h"]],
  [2 * YEAR, [DAY, "d"], null],
  [Number.POSITIVE_INFINITY, [YEAR, "y"], [DAY, "d"]],
];

/** A length of time, such as `5m`, `3h2m` or `12d`. */
export function spanText(ms: number): string {
  const length = Math.max(0, ms);
  const [, [unit, name], small] = SPANS.find(([until]) => length < until) ?? [0, [YEAR, "y"], null];
  const whole = Math.floor(length / unit);
  const rest = small === null ? 0 : Math.floor((length - whole * unit) / small[0]);
  return `${whole}${name}${rest > 0 && small !== null ? `${rest}${small[1]}` : ""}`;
}

/** A time as lists show it, of their columns in UTC: to the second. */
export const secondText = (time: string): string => time.slice(0, 19).replace("T", " ");

/** How long ago that is; `-` for what never was, or is no time. */
export function age(time: string | null | undefined, now: number): string {
  const at = time === null || time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(at) ? "-" : spanText(now - at);
}
