import {
  capabilities,
  deviceSerialNumber,
  extendedCapabilities,
  pcieLink,
  sriovCapability,
} from "../config/capabilities.ts";
import { bytesSpace, HEADER_BYTES, type PciHeader, parseHeader } from "../config/header.ts";
import type { ConfigSpace } from "../config/space.ts";
import type { PciFunction, PciProblem } from "../function.ts";

/** What the text of a dump says about one function, beside its bytes. */
export interface DumpedFunction {
  line: number;
  address: string;
  path: string;
  /** The rest of the first line: names, or with -n and -nn numbers. */
  title: string;
  /** Lines of -v by their label, such as "Kernel driver in use". */
  details: Map<string, string>;
}

/** Vendor and device id, class, revision: no entry without them. */
const IDENTITY_BYTES = 12;

/** Decodes one function of a dump; a string says why there is none. */
export function decodeDumped(dumped: DumpedFunction, space: ConfigSpace): PciFunction | string {
  if (space.size < IDENTITY_BYTES) {
    return `${dumped.address} has ${space.size} bytes of config space, too few for its ids: dump it with lspci -xxxx`;
  }
  const problems: PciProblem[] = [];
  const header = parseHeader(padded(space));
  const silent = allOnes(space);
  if (silent) {
    const message = `expected a PCI header, found all ones in its ${Math.min(space.size, HEADER_BYTES)} bytes`;
    problems.push({ reason: "AllOnes", message });
  }
  if (space.size < HEADER_BYTES) {
    problems.push({
      reason: "ConfigTruncated",
      message: `expected ${HEADER_BYTES} bytes of PCI header, found ${space.size}`,
    });
  }
  const list = capabilities(space);
  const extended = extendedCapabilities(space, list);
  for (const { bad } of [list, extended]) if (bad) problems.push({ reason: "BadCapabilities", message: bad });
  const serial = deviceSerialNumber(space, extended);
  const sriov = sriovCapability(space, extended);
  const kernelDriver = dumped.details.get("Kernel driver in use") ?? null;

  return {
    address: dumped.address,
    path: dumped.path,
    parent: null,
    slot: dumped.details.get("Physical Slot") ?? null,
    label: dumped.details.get("DeviceName") ?? null,
    ...identity(header, silent, dumped.title),
    subsystem_vendor_id: header.subsystem_vendor_id,
    subsystem_device_id: header.subsystem_device_id,
    kernel_driver: kernelDriver,
    numa_node: count(dumped.details.get("NUMA node")),
    iommu_group: count(dumped.details.get("IOMMU group")),
    link: pcieLink(space, list),
    pf_ids: null,
    sriov: sriov && { ...sriov, pf: null, vf_index: null },
    bars: header.bars,
    serials: serial ? [{ kind: "dsn", value: serial }] : [],
    hops: null,
    aer: null,
    driver_override: null,
    iommu: null,
    attributes: {},
    algorithms: null,
    response: silent ? "silent" : "responding",
    driverObservable: kernelDriver !== null,
    problems,
  };
}

type Identity = Pick<PciFunction, "vendor_id" | "device_id" | "class" | "revision">;

/**
 * The bytes' ids. A VF's are ffff by design (PCIe 6.0, 9.3.4.1.1) and a silent function's tell nothing: then those
 * that lspci -n or -nn wrote beside the bytes, which it knows from the kernel.
 */
function identity(header: PciHeader, silent: boolean, title: string): Identity {
  const { vendor_id, device_id, revision } = header;
  if (vendor_id !== "ffff") return { vendor_id, device_id, class: header.class, revision };
  // -nn: `Ethernet controller [0200]: Intel Corporation X540 [8086:1515] (rev 01)`; -n: `0200: 8086:1515 (rev 01)`
  const ids = /(?:\[|: )([0-9a-f]{4}):([0-9a-f]{4})(?:\]|\s|$)/.exec(title);
  const base = /(?:\[|^)([0-9a-f]{4})\]?:/.exec(title)?.[1];
  return {
    vendor_id: ids?.[1] ?? vendor_id,
    device_id: ids?.[2] ?? device_id,
    class: silent && base ? `${base}00` : header.class,
    revision: silent ? (/\(rev ([0-9a-f]{2})\)/.exec(title)?.[1] ?? null) : revision,
  };
}

/** Whether no byte of the header is anything but ff: nobody answered. A VF answers with more than its ids. */
function allOnes(space: ConfigSpace): boolean {
  for (let offset = 0; offset + 4 <= Math.min(space.size, HEADER_BYTES); offset += 4) {
    if (space.u32(offset) !== 0xffffffff) return false;
  }
  return true;
}

/** Zeros for what a truncated header lacks: the same as a register that is not implemented. */
function padded(space: ConfigSpace): ConfigSpace {
  if (space.size >= HEADER_BYTES) return space;
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  for (let offset = 0; offset + 4 <= space.size; offset += 4) view.setUint32(offset, space.u32(offset), true);
  return bytesSpace(bytes);
}

const count = (text: string | undefined) => (text && /^\d{1,9}$/.test(text) ? Number(text) : null);
