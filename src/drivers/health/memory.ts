import type { AerCounters } from "../../pci/function.ts";
import type { ErrorMemory } from "./errors.ts";
import type { Settled } from "./settle.ts";

/** What is remembered of one device. */
export interface DeviceMemory {
  address: string;
  /** By type. */
  conditions: Record<string, Settled>;
  errors: ErrorMemory | null;
}

/** More devices than a machine has functions, more conditions than a tier takes, and so on. */
const MOST_DEVICES = 65_536;
const MOST = 64;
const LONGEST = 1024;

/** What `createHealth` saved, by device. Throws RangeError that names the place for anything else: the file is anyone's. */
export function parseMemory(document: unknown): Map<string, DeviceMemory> {
  const root = object(document, "the document", 16);
  if (root.version !== 1) throw unexpected("version", "1", root.version);
  return new Map(
    Object.entries(object(root.devices, "devices", MOST_DEVICES)).map(([key, value]) => [
      key,
      device(value, `devices[${JSON.stringify(key)}]`),
    ]),
  );
}

function device(value: unknown, at: string): DeviceMemory {
  const { address, conditions, errors } = object(value, at, 16);
  return {
    address: text(address, `${at}.address`),
    conditions: mapped(conditions, `${at}.conditions`, settled),
    errors: errors === null ? null : errorMemory(errors, `${at}.errors`),
  };
}

function settled(value: unknown, at: string): Settled {
  const { status, reason, action, since, against } = object(value, at, 16);
  if (status !== "true" && status !== "false" && status !== "unknown")
    throw unexpected(`${at}.status`, "true, false or unknown", status);
  const time = text(since, `${at}.since`);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(time) || Number.isNaN(Date.parse(time)))
    throw unexpected(`${at}.since`, "a time", since);
  return {
    status,
    reason: text(reason, `${at}.reason`),
    action: action === null ? null : text(action, `${at}.action`),
    since: time,
    against: count(against, `${at}.against`),
  };
}

function errorMemory(value: unknown, at: string): ErrorMemory {
  const { last, rises } = object(value, at, 16);
  if (!Array.isArray(rises) || rises.length > MOST) throw unexpected(`${at}.rises`, `at most ${MOST}`, rises);
  return {
    last: counters(last, `${at}.last`),
    rises: rises.map((rise, index) => {
      const place = `${at}.rises[${index}]`;
      const { at: time, by } = object(rise, place, 16);
      return { at: count(time, `${place}.at`), by: counters(by, `${place}.by`) };
    }),
  };
}

function counters(value: unknown, at: string): AerCounters {
  const { correctable, nonfatal, fatal } = object(value, at, 16);
  return {
    correctable: mapped(correctable, `${at}.correctable`, count),
    nonfatal: mapped(nonfatal, `${at}.nonfatal`, count),
    fatal: mapped(fatal, `${at}.fatal`, count),
  };
}

function mapped<T>(value: unknown, at: string, parse: (value: unknown, at: string) => T): Record<string, T> {
  const entries = Object.entries(object(value, at, MOST));
  return Object.fromEntries(
    entries.map(([key, item]) => [text(key, at), parse(item, `${at}[${JSON.stringify(key)}]`)]),
  );
}

function object(value: unknown, at: string, most: number): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw unexpected(at, "an object", value);
  if (Object.keys(value).length > most) throw unexpected(at, `at most ${most} entries`, Object.keys(value).length);
  return { ...value };
}

function text(value: unknown, at: string): string {
  if (typeof value !== "string" || value.length > LONGEST)
    throw unexpected(at, `text of at most ${LONGEST} characters`, value);
  return value;
}

function count(value: unknown, at: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw unexpected(at, "a count", value);
  return value;
}

function unexpected(at: string, expected: string, found: unknown): RangeError {
  return new RangeError(`${at}: expected ${expected}, found ${(JSON.stringify(found) ?? "nothing").slice(0, 80)}`);
}
