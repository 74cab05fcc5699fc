import { readFirst } from "../ffi/file.ts";

/** Where distributions put the file: Debian, Fedora, Alpine. */
export const PCI_IDS = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"];

/** What pci.ids calls a function; null for an id it does not know. Called as a function it is what a report needs. */
export interface PciNames {
  (vendor_id: string, device_id: string): { vendor: string | null; device: string | null };
  vendor(vendor_id: string): string | null;
  device(vendor_id: string, device_id: string): string | null;
  /** A card by another maker has a name of its own under the device's. */
  subsystem(ids: {
    vendor_id: string;
    device_id: string;
    subsystem_vendor_id: string;
    subsystem_device_id: string;
  }): string | null;
  /** `030200`: the sub-class's name, else the base class's. */
  class(code: string): string | null;
}

/**
 * Names from `text`, else from the first of `paths` that can be read; without either every name is null. The file
 * (1.3 MB) is read when first asked for, only the ids asked for are looked up, and its bytes may be collected between two
 * scans.
 */
export function pciNames({
  text,
  paths = PCI_IDS,
}: {
  text?: string | null;
  paths?: readonly string[];
} = {}): PciNames {
  const known = new Map<string, string | null>();
  let file: WeakRef<Buffer> | null = null;

  function bytes(): Buffer {
    const kept = file?.deref();
    if (kept) return kept;
    // A text may begin with a vendor; lines are found by the newline before them.
    const read = text ? Buffer.from(`\n${text}`) : readFirst(paths);
    file = new WeakRef(read);
    return read;
  }

  function once(key: string, look: (bytes: Buffer) => string | null): string | null {
    let name = known.get(key);
    if (name === undefined) {
      name = look(bytes());
      known.set(key, name);
    }
    return name;
  }

  const vendor = (v: string) => once(v, (b) => nameAt(b, find(b, `\n${v}  `, 0)));
  const device = (v: string, d: string) => once(`${v}:${d}`, (b) => nameAt(b, findDevice(b, v, d)));
  const names = (v: string, d: string) => ({ vendor: vendor(v), device: device(v, d) });
  return Object.assign(names, {
    vendor,
    device,
    subsystem: (ids: Parameters<PciNames["subsystem"]>[0]) => {
      const { vendor_id, device_id, subsystem_vendor_id: v, subsystem_device_id: d } = ids;
      return once(`${vendor_id}:${device_id}:${v}:${d}`, (b) => {
        const at = findDevice(b, vendor_id, device_id);
        return at < 0 ? null : nameAt(b, find(b, `\n\t\t${v} ${d}  `, at, "\t\t"));
      });
    },
    class: (code: string) =>
      once(`C ${code}`, (b) => {
        const base = find(b, `\nC ${code.slice(0, 2)}  `, 0);
        if (base < 0) return null;
        return nameAt(b, find(b, `\n\t${code.slice(2, 4)}  `, base, "\t")) ?? nameAt(b, base);
      }),
  });
}

function findDevice(bytes: Buffer, vendor: string, device: string): number {
  const at = find(bytes, `\n${vendor}  `, 0);
  return at < 0 ? -1 : find(bytes, `\n\t${device}  `, at, "\t");
}

const TAB = 0x09;
const HASH = 0x23;
const NEWLINE = 0x0a;

/**
 * Where the name after `prefix` begins, or -1. With `indent` only lines that are indented that far (or further) right
 * after `from` are searched: that is what belongs to the entry there.
 */
function find(bytes: Buffer, prefix: string, from: number, indent = ""): number {
  const at = bytes.indexOf(prefix, from, "latin1");
  if (at < 0) return -1;
  // A line of the search's level that is found beyond the entry's own lines belongs to another entry.
  if (indent && at > sectionEnd(bytes, from, indent.length, at)) return -1;
  return at + prefix.length;
}

/** The end of the lines after `from` that begin with `tabs` tabs, comments and blank lines included; at most `limit`. */
function sectionEnd(bytes: Buffer, from: number, tabs: number, limit: number): number {
  for (let at = bytes.indexOf(NEWLINE, from); at >= 0 && at < limit; at = bytes.indexOf(NEWLINE, at + 1)) {
    const first = bytes[at + 1];
    if (first === HASH || first === NEWLINE) continue;
    if (first !== TAB || (tabs === 2 && bytes[at + 2] !== TAB)) return at;
  }
  return limit;
}

/** The rest of the line at `at`. */
function nameAt(bytes: Buffer, at: number): string | null {
  if (at < 0) return null;
  const end = bytes.indexOf(NEWLINE, at);
  return bytes.toString("utf8", at, end < 0 ? bytes.length : end).trim() || null;
}
