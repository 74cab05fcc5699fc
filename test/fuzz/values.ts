import type { Random } from "./random.ts";

/** What is used of JSON Schema 2020-12 as OpenAPI 3.1 documents have it. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  format?: string;
  minimum?: number;
  maximum?: number;
  examples?: unknown[];
}

/** Strings that programs trip over. */
export const ODD_STRINGS: readonly string[] = [
  "",
  " ",
  "\0",
  "\x1b[2J\x1b]0;owned\x07",
  "\ud800",
  "\udfff\ud800",
  "\u202egnirts",
  "\ufeff",
  "\u{10ffff}",
  "__proto__",
  "constructor",
  "toString",
  "NaN",
  "Infinity",
  "1e400",
  "-0",
  "0x10",
  "null",
  "true",
  "<script>alert(1)</script>",
  "'; DROP TABLE hardware; --",
  "../../../../etc/passwd",
  "%00%ff%2e%2e",
  "{{7*7}}",
  "x".repeat(300),
  "\u4f60".repeat(5000),
  "9".repeat(400),
];

/** JSON text, since some of it is no JavaScript value: 1e400, two keys of one name, __proto__ as an own key. */
export const ODD_JSON: readonly string[] = [
  "null",
  "true",
  "0",
  "-1",
  "1e400",
  "-1e400",
  "9007199254740993",
  "0.1",
  "[]",
  "{}",
  "[[]]",
  '{"__proto__":{"admin":true}}',
  '{"constructor":{"prototype":{"x":1}}}',
  '{"a":1,"a":2}',
  `${"[".repeat(500)}${"]".repeat(500)}`,
  `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`,
  `[${"0,".repeat(20_000)}0]`,
  ...ODD_STRINGS.map((text) => JSON.stringify(text)),
];

/** Nobody is there, and the answer that says so is quick: no request leaves this machine for a made-up peer. */
const ENDPOINTS = ["unix:/nowhere.sock", "unix:/nowhere/2.sock", ":1", "127.0.0.1:1", "http://[::1]:1/a b"];
/** Few, so that what they register stays little. */
const NAMES = ["a", "b", "c", "fuzz-1", "fuzz-2"];
const UUIDS = [1, 2, 3].map((n) => `f0000000-0000-4000-8000-00000000000${n}`);

/** Writes a value that follows a schema, each property by `write`, which may write another. */
export function jsonOf(schema: Schema, random: Random, resolve: (ref: string) => Schema, mutate = false): string {
  let left = mutate ? 1 + random.int(3) : 0;
  const write = (at: Schema, name: string): string => {
    if (left > 0 && random.chance(25)) {
      left--;
      return random.pick(ODD_JSON);
    }
    if (at.$ref) return write(resolve(at.$ref), name);
    const choice = at.anyOf ?? at.oneOf;
    if (choice) return write(random.pick(choice), name);
    if (at.allOf?.[0]) return write(at.allOf[0], name);
    if (name === "endpoint") return JSON.stringify(random.pick(ENDPOINTS));
    if (name === "name") return JSON.stringify(random.pick(NAMES));
    if (name === "min" || name === "max") return JSON.stringify("1.0");
    if (at.const !== undefined) return JSON.stringify(at.const);
    if (at.enum) return JSON.stringify(random.pick(at.enum));
    return plain(at, name);
  };
  const plain = (at: Schema, name: string): string => {
    switch (Array.isArray(at.type) ? random.pick(at.type) : (at.type ?? (at.properties ? "object" : "null"))) {
      case "object": {
        const entries = Object.entries(at.properties ?? {}).filter(([key]) => {
          const required = at.required?.includes(key) ?? false;
          if (required && left > 0 && random.chance(10)) return false;
          return required || random.chance(50);
        });
        const members = entries.map(([key, value]) => `${JSON.stringify(key)}:${write(value, key)}`);
        if (mutate && random.chance(15))
          members.push(`${JSON.stringify(random.pick(ODD_STRINGS))}:${random.pick(ODD_JSON)}`);
        return `{${members.join()}}`;
      }
      case "array":
        return `[${Array.from({ length: random.int(4) }, () => write(at.items ?? {}, name)).join()}]`;
      case "integer":
      case "number":
        return String((at.minimum ?? 0) + random.int(Math.min(1000, (at.maximum ?? 1000) - (at.minimum ?? 0)) + 1));
      case "boolean":
        return String(random.chance(50));
      case "string":
        return JSON.stringify(
          at.format === "uuid" || name === "id" ? random.pick(UUIDS) : random.pick(["x", "yz", "rack-7"]),
        );
      default:
        return "null";
    }
  };
  return write(schema, "");
}
