import { bytesSpace } from "../config/header.ts";
import type { PciFunction } from "../function.ts";
import { type DumpedFunction, decodeDumped } from "./function.ts";

/** A line that could not be used, numbered from 1. */
export interface DumpProblem {
  line: number;
  message: string;
}

export interface Dump {
  functions: PciFunction[];
  problems: DumpProblem[];
}

const MAX_CHARACTERS = 64 * 1024 * 1024;
const MAX_FUNCTIONS = 65_536;
const MAX_PROBLEMS = 100;
const CONFIG_BYTES = 4096;
/** Longer lines are clipped: the longest that matters is a device's name. */
const MAX_LINE = 4096;

// 0000:01:00.0 VGA compatible controller [0300]: Intel Corporation Device [8086:e20b] (rev 01)
const DEVICE = /^(?:([0-9a-f]{1,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])(?:\s+(.*))?$/i;
// 100: 02 10 11 79 06 00 20 22 00 00 00 06 00 20 00 00
const HEX = /^([0-9a-f]{2,3}):((?: [0-9a-f]{2})+)\s*(.*)$/i;
// \tKernel driver in use: nvidia
const DETAIL = /^\s+(Kernel driver in use|Physical Slot|DeviceName|NUMA node|IOMMU group):\s*(.*\S)\s*$/;

/**
 * Reads the output of `lspci -x`, `-xxx` or `-xxxx`, with any of `-D`, `-n`, `-nn`, `-v`. A line that can't be used is
 * a problem; throws one Error when the text has no function in it, or is over 64 MiB.
 */
export function parseDump(text: string): Dump {
  if (text.length > MAX_CHARACTERS) {
    throw new Error(`a dump has at most ${MAX_CHARACTERS} characters, got ${text.length}`);
  }
  const dump: Dump = { functions: [], problems: [] };
  const addresses = new Set<string>();
  const bytes = new Uint8Array(CONFIG_BYTES);
  let current: DumpedFunction | null = null;
  let length = 0;
  let devices = 0;

  const problem = (line: number, message: string) => {
    if (dump.problems.length < MAX_PROBLEMS) dump.problems.push({ line, message });
    else if (dump.problems.length === MAX_PROBLEMS)
      dump.problems.push({ line, message: "more problems are not listed" });
  };
  const finish = () => {
    if (!current) return;
    const decoded = decodeDumped(current, bytesSpace(bytes.slice(0, length)));
    if (typeof decoded === "string") problem(current.line, decoded);
    else dump.functions.push(decoded);
  };

  let number = 0;
  for (const line of lines(text)) {
    number++;
    const device = DEVICE.exec(line);
    if (device) {
      finish();
      current = null;
      length = 0;
      devices++;
      const next = dumped(device, number);
      if (addresses.has(next.address)) problem(number, `${next.address} is listed twice; the first is kept`);
      else if (addresses.size === MAX_FUNCTIONS) {
        problem(number, `a dump has at most ${MAX_FUNCTIONS} functions; the rest is not read`);
        break;
      } else {
        addresses.add(next.address);
        current = next;
      }
      continue;
    }
    if (!current) continue;
    const hex = HEX.exec(line);
    if (!hex) {
      const detail = DETAIL.exec(line);
      if (detail?.[1] && detail[2]) current.details.set(detail[1], detail[2]);
      continue;
    }
    const offset = Number.parseInt(hex[1] ?? "", 16);
    const pairs = hex[2] ?? "";
    const count = pairs.length / 3;
    if (offset !== length || offset + count > CONFIG_BYTES) {
      problem(number, `expected the bytes at 0x${length.toString(16)}, found ${count} at 0x${offset.toString(16)}`);
      continue;
    }
    for (let i = 0; i < count; i++) bytes[length++] = Number.parseInt(pairs.slice(3 * i + 1, 3 * i + 3), 16);
    if (hex[3]) problem(number, `expected hex bytes only, found ${JSON.stringify(hex[3].slice(0, 20))}`);
  }
  finish();

  if (dump.functions.length === 0) throw new Error(nothingFound(number, devices, dump.problems[0]));
  return dump;
}

/** Lines one by one: 64 MiB of line ends is not made into an array. */
function* lines(text: string): Generator<string> {
  let start = 0;
  while (start < text.length) {
    const next = text.indexOf("\n", start);
    const end = next < 0 ? text.length : next;
    const clipped = text.slice(start, Math.min(end, start + MAX_LINE));
    yield clipped.endsWith("\r") ? clipped.slice(0, -1) : clipped;
    start = end + 1;
  }
}

function dumped([, domain, bus, device, fn, title]: RegExpExecArray, line: number): DumpedFunction {
  // lspci leaves out the domain where all are 0000.
  const root = `${(domain ?? "").replace(/^0+/, "").padStart(4, "0")}:${bus}`.toLowerCase();
  const deviceFunction = `${device}.${fn}`.toLowerCase();
  return {
    line,
    address: `${root}:${deviceFunction}`,
    // Without topology the function's own bus stands for the root bus.
    path: `${root}/${deviceFunction}`,
    title: title ?? "",
    details: new Map(),
  };
}

function nothingFound(lineCount: number, devices: number, first: DumpProblem | undefined): string {
  const expected = "expected the output of lspci -x, -xxx or -xxxx";
  if (devices === 0) return `${expected}, found no line such as "00:02.0 ..." among ${lineCount}`;
  return `${expected}, found ${devices} device lines and no usable hex bytes (line ${first?.line}: ${first?.message})`;
}
