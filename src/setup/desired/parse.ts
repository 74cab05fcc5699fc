import { DEVICE_TYPES } from "../../contract/hardware.ts";
import type { Apply, Match, Rule } from "./rule.ts";

/** More than any machine has devices of. */
const MAX_RULES = 1000;
/** TotalVFs is 16 bits wide (PCIe 6.0, 9.3.3.6). */
const MAX_VFS = 0xffff;

/** Told of each bad value: where it is, what was expected there, what was found. */
type Bad = (place: string, expected: string, found: unknown) => void;

/**
 * The rules in a parsed configuration, or what is wrong with it, a line for each bad value. Whatever the document is:
 * only known keys are looked at, and none is followed deeper than a match.
 */
export function parseDesired(document: unknown): { rules: Rule[] } | { problems: string[] } {
  const problems: string[] = [];
  const bad: Bad = (place, expected, found) => {
    if (problems.length < 20) problems.push(`${place || "the document"}: expected ${expected}, found ${shown(found)}`);
  };
  const rules = desired(document, bad);
  return problems.length > 0 ? { problems } : { rules };
}

function desired(document: unknown, bad: Bad): Rule[] {
  const top = fields(document, "", ["setup", "apply"], bad);
  if (!top) return [];
  const apply = applyOf(top.apply, "apply", bad) ?? "on-request";
  const { setup } = top;
  if (!Array.isArray(setup)) {
    bad("setup", "a list of rules", setup);
    return [];
  }
  if (setup.length > MAX_RULES) {
    bad("setup", `at most ${MAX_RULES} rules`, setup.length);
    return [];
  }
  return setup.flatMap((one: unknown, at) => rule(one, `setup[${at}]`, apply, bad) ?? []);
}

function rule(value: unknown, place: string, fallback: Apply, bad: Bad): Rule | null {
  const given = fields(value, place, ["match", "kernel_driver", "sriov_vfs", "vf_driver", "apply"], bad);
  if (!given) return null;
  const { kernel_driver, sriov_vfs, vf_driver } = given;
  const made: Rule = {
    match: match(given.match, `${place}.match`, bad),
    apply: applyOf(given.apply, `${place}.apply`, bad) ?? fallback,
  };
  if (kernel_driver !== undefined) made.kernel_driver = driver(kernel_driver, `${place}.kernel_driver`, bad);
  if (vf_driver !== undefined) made.vf_driver = driver(vf_driver, `${place}.vf_driver`, bad);
  if (sriov_vfs !== undefined) {
    const whole = typeof sriov_vfs === "number" && Number.isInteger(sriov_vfs);
    if (whole && sriov_vfs >= 0 && sriov_vfs <= MAX_VFS) made.sriov_vfs = sriov_vfs;
    else bad(`${place}.sriov_vfs`, `a whole number from 0 to ${MAX_VFS}`, sriov_vfs);
  }
  if ([kernel_driver, sriov_vfs, vf_driver].every((one) => one === undefined)) {
    bad(place, "at least one of kernel_driver, sriov_vfs and vf_driver", undefined);
  }
  if (made.kernel_driver === null && (made.sriov_vfs ?? 0) > 0) {
    bad(`${place}.kernel_driver`, "a driver, as it is the driver that makes the VFs of sriov_vfs", "none");
  }
  return made;
}

function match(value: unknown, place: string, bad: Bad): Match {
  const keys = ["device_type", "vendor_id", "device_id", "slot", "address", "uuid"] as const;
  const given = fields(value, place, keys, bad);
  if (!given) return {};
  const made: Match = {};
  for (const key of keys) {
    if (given[key] === undefined) continue;
    const [expected, parse] = PARSERS[key];
    const parsed = parse(given[key]);
    if (parsed === null) bad(`${place}.${key}`, expected, given[key]);
    else made[key] = parsed;
  }
  if (Object.keys(given).length === 0) bad(place, `at least one of ${keys.join(", ")}`, undefined);
  return made;
}

const text = (form: RegExp, normal: (text: string) => string) => (value: unknown) =>
  typeof value === "string" && form.test(value) ? normal(value) : null;
const lower = (value: string) => value.toLowerCase();
const ID = text(/^(0x)?[0-9a-f]{4}$/i, (id) => lower(id.replace(/^0x/i, "")));

const PARSERS: Record<keyof Match, [expected: string, parse: (value: unknown) => string | null]> = {
  device_type: [
    `one of ${DEVICE_TYPES.join(", ")}`,
    (value) => DEVICE_TYPES.find((type) => typeof value === "string" && type === value.toUpperCase()) ?? null,
  ],
  // Without quotes YAML makes numbers of some ids: 8086, and 1e30, which is another one.
  vendor_id: ['four hexadecimal digits in quotes, such as "10de"', ID],
  device_id: ['four hexadecimal digits in quotes, such as "20b2"', ID],
  slot: [
    'a slot as `sinew scan` shows it, in quotes, such as "4"',
    (value) => {
      if (typeof value === "number" && Number.isInteger(value) && value >= 0) return String(value);
      return typeof value === "string" && value.length <= 64 && value.trim() !== "" ? value : null;
    },
  ],
  address: [
    "a PCI address such as 0000:3b:00.0",
    text(/^([0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/i, (address) =>
      lower(address.split(":").length === 2 ? `0000:${address}` : address),
    ),
  ],
  uuid: ["a device's uuid", text(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, lower)],
};

/** A driver's name as it stands in bus/pci/drivers; it becomes part of a path and of a write. */
function driver(value: unknown, place: string, bad: Bad): string | null {
  if (value === null || value === "none") return null;
  if (typeof value === "string" && /^\w[\w.+-]{0,62}$/.test(value)) return value;
  bad(place, 'a kernel driver such as "vfio-pci", or "none"', value);
  return null;
}

function applyOf(value: unknown, place: string, bad: Bad): Apply | null {
  if (value === undefined) return null;
  if (value === "auto" || value === "on-request") return value;
  bad(place, '"auto" or "on-request"', value);
  return null;
}

function fields(value: unknown, place: string, known: readonly string[], bad: Bad): Record<string, unknown> | null {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Date) {
    bad(place, `an object with ${known.join(", ")}`, value);
    return null;
  }
  const unknown = Object.keys(value).filter((key) => !known.includes(key));
  if (unknown.length > 0) bad(place, `no other keys than ${known.join(", ")}`, unknown.slice(0, 5).join(", "));
  return Object.fromEntries(
    known.flatMap((key) => (Object.hasOwn(value, key) ? [[key, Reflect.get(value, key)]] : [])),
  );
}

/** What was found, short and in one line: it may be anything, and refer to itself. */
function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value.slice(0, 80)) : String(value);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "?");
}
