import { expect, test } from "bun:test";
import fc from "fast-check";
import { isPlainHardware } from "../../src/contract/device/plain.ts";
import { PeerHardware } from "../../src/contract/peer.ts";
import { device, node } from "../db/rows.ts";

const TIME = "2026-11-23T00:00:00.000Z";
const condition = { type: "Responding", status: "true", reason: "Ok", message: "m", action: null, since: TIME };
const link = { speed_gts: 32, width: 16, max_speed_gts: 32, max_width: null };
const sriov = { total: 8, enabled: 0, pf: null, vf_index: null };
const bar = { index: 0, type: "mem64", prefetchable: true, size: 67108864 };
const plain = device(node("11111111-2222-4333-8444-555555555555"), {
  serials: [{ kind: "dsn", value: "1" }],
  attributes: { memory_bytes: 1, firmware_version: "2", locked: true },
});
const whole = {
  ...plain,
  acc_status: { ...plain.acc_status, conditions: [condition] },
  pci: { ...plain.pci, link, sriov, bars: [bar] },
};

test("isPlainHardware() knows what a Sinew of today sends, so that its reports are cheap", () => {
  expect(isPlainHardware(whole)).toBe(true);
  expect(isPlainHardware({ ...whole, pci: null, unknown: { x: 1 } })).toBe(true);
});

/** Every place in a JSON value, as a path. */
function placesIn(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => placesIn(inner, [...path, key]))];
}
const places = placesIn(whole).filter((path) => path.length > 0);

/** A copy in which one place holds another value, or is left out. */
function altered(path: string[], value: unknown): unknown {
  const copy = structuredClone(whole) as Record<string, unknown>;
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
  const key = path.at(-1) ?? "";
  // JSON has no holes.
  if (value === undefined && Array.isArray(at)) at.splice(Number(key), 1);
  else if (value === undefined) delete at[key];
  else at[key] = value;
  return copy;
}

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    "",
    "x",
    "\0",
    "\ud800",
    "x".repeat(2000),
    0,
    -1,
    1.5,
    1e300,
    2 ** 60,
    true,
    [],
    {},
  ),
  fc.constantFrom<unknown>(
    Number.POSITIVE_INFINITY,
    Number.NaN,
    { a: Number.POSITIVE_INFINITY },
    [null],
    [{}],
    Array.from({ length: 65 }, () => condition),
  ),
  fc.constantFrom<unknown>(
    "2026-02-30T00:00:00Z",
    "2026-02-28T24:00:00Z",
    "2026-11-23T00:00:00+01:00",
    "2026-11-23T00:00Z",
    TIME,
  ),
  fc.constantFrom<unknown>(
    "10de",
    "10DE",
    "030200",
    "a1",
    "0000:01:00.0",
    "0000:01:20.0",
    "true",
    "mem32",
    "GONE",
    "fresh",
  ),
  fc.constantFrom<unknown>(JSON.parse('{"__proto__": 1}'), { a: { b: 1 } }, { a: null }),
  fc.anything(),
);

test("isPlainHardware() accepts nothing that the schema refuses", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...places), odd), { minLength: 1, maxLength: 1 }), (changes) => {
      for (const [path, value] of changes) {
        const candidate = altered(path, value);
        if (!isPlainHardware(candidate)) continue;
        const judged = PeerHardware.safeParse(candidate);
        if (!judged.success) throw new Error(`${path.join("/")}: ${judged.error.message}`);
      }
    }),
    { numRuns: 3000 },
  );
});
