import { deviceSerialNumber, EXT_CAP_DSN, extendedCapabilities } from "../config/capabilities.ts";
import { NIL_UUID } from "../identity.ts";
import { recordConfig, recordedSpace, toBytes } from "./config.ts";
import { isSerial, type Snapshot, type SnapshotFunction } from "./snapshot.ts";

/**
 * The snapshot without what names this machine or its cards: serials, the node's id and name, its kernel's version. Two equal serials stay
 * equal, because that is a bug one may want to show, and zeros stay zeros. Fakes are numbers in order of appearance,
 * so nothing can be worked back from them.
 */
export function scrub(snapshot: Snapshot): Snapshot {
  const numbers = new Map<string, number>();
  const number = (value: string) => {
    const known = numbers.get(value) ?? numbers.size + 1;
    numbers.set(value, known);
    return known;
  };
  const { host } = snapshot;
  return {
    ...snapshot,
    host: {
      node_id: host.node_id === NIL_UUID ? NIL_UUID : "00000000-0000-4000-8000-000000000001",
      node_name: "scrubbed",
      // A version number tells which distribution and patch level this machine runs.
      kernel: host.kernel === null ? null : "0.0.0-scrubbed",
    },
    bad_names: snapshot.bad_names.map((_, i) => `bad-name-${i + 1}`),
    functions: mapValues(snapshot.functions, (fn) => ({
      ...fn,
      attributes: mapValues(fn.attributes, (text, name) => (isSerial(name) ? fakeText(text, number) : text)),
      config: fn.config && scrubConfig(fn.config, number),
    })),
  };
}

/** Recorded anew, so that registers which no decoding reads are left behind; then the serial number is replaced. */
function scrubConfig(config: NonNullable<SnapshotFunction["config"]>, number: (value: string) => number) {
  const space = recordedSpace(config);
  const { size, dwords } = recordConfig(space);
  const extended = extendedCapabilities(space);
  const serial = deviceSerialNumber(space, extended);
  const offset = extended.entries.find(({ id }) => id === EXT_CAP_DSN)?.offset;
  if (serial !== null && offset !== undefined) {
    dwords[(offset + 4).toString(16).padStart(3, "0")] = toBytes(number(serial));
    // The bit of locally administered addresses: no vendor's prefix.
    dwords[(offset + 8).toString(16).padStart(3, "0")] = toBytes(0x0200_0000);
  }
  return { ...config, size, dwords };
}

/** A fake of the same kind: hex digits for hex digits, and the line's end kept. */
function fakeText(text: string, number: (value: string) => number): string {
  const value = text.trim();
  if (/^(0x)?0*$/.test(value)) return text;
  const fake = number(value);
  const end = text.endsWith("\n") ? "\n" : "";
  if (/^[0-9a-f]{8,}$/i.test(value)) return fake.toString(16).padStart(value.length, "0") + end;
  return `SCRUBBED${fake.toString().padStart(4, "0")}${end}`;
}

function mapValues<A, B>(record: Record<string, A>, change: (value: A, key: string) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}
