import type { ConfigInput } from "../config.ts";
import { type Role, SETTINGS } from "../settings.ts";

/** Reads settings one by one, and keeps what is wrong with them. */
export interface Reader {
  readonly problems: string[];
  bad(name: string, expected: string, found: string): void;
  /** The text of a setting and the name to blame; an empty variable counts as unset, as in a compose file. */
  given(flag: string): { name: string; text: string } | null;
  /** Null where it is not given, or `parse` gives null, which is a problem. */
  parsed<T>(flag: string, expected: string, parse: (text: string) => T | null): T | null;
  oneOf<T extends string>(flag: string, values: readonly T[]): T | null;
  /** An absolute path. */
  path(flag: string): string | null;
  /** Of a flag that stands alone. */
  yes(flag: string): boolean;
  /** Reads only what has a use with this role; null: the role is not known, and all is read. */
  only(role: Role | null): <T>(flag: string, read: () => T | null) => T | null;
}

export function createReader({ flags, env, host }: Pick<ConfigInput, "flags" | "env" | "host">): Reader {
  const problems: string[] = [];
  const bad: Reader["bad"] = (name, expected, found) => {
    problems.push(`${name}: expected ${expected}, found ${found}`);
  };
  const given: Reader["given"] = (flag) => {
    const text = flags[flag];
    if (text !== undefined) return { name: `--${flag}`, text };
    const known = SETTINGS.find((one) => one.flag === flag);
    const fromEnv = known && env[known.env];
    return known && fromEnv ? { name: known.env, text: fromEnv } : null;
  };
  const parsed: Reader["parsed"] = (flag, expected, parse) => {
    const from = given(flag);
    if (!from) return null;
    const value = parse(from.text);
    if (value === null) bad(from.name, expected, JSON.stringify(from.text));
    return value;
  };
  return {
    ...{ problems, bad, given, parsed },
    oneOf: (flag, values) =>
      parsed(flag, `one of ${values.join(", ")}`, (text) => values.find((value) => value === text) ?? null),
    path: (flag) => parsed(flag, "a path", (text) => (text && !text.includes("\0") ? absolute(text, host.cwd) : null)),
    yes: (flag) => parsed(flag, "true or false", (text) => ({ true: true, false: false })[text] ?? null) ?? false,
    only: (role) => (flag, read) =>
      role === null || SETTINGS.some((one) => one.flag === flag && one.roles.includes(role)) ? read() : null,
  };
}

export const absolute = (path: string, cwd: string) => (path.startsWith("/") ? path : `${cwd}/${path}`);

export const hideUserInfo = (text: string) => JSON.stringify(text.replace(/[^/]*@/, "***@"));
