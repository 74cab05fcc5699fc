import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { capabilities, extendedCapabilities } from "../../src/pci/config/capabilities.ts";
import { bytesSpace, parseHeader } from "../../src/pci/config/header.ts";
import type { ConfigSpace } from "../../src/pci/config/space.ts";
import { parseDump } from "../../src/pci/dump/dump.ts";
import type { PciFunction } from "../../src/pci/function.ts";

/**
 * Recorded hardware, other people's and therefore not part of the project: beside the checkout or nowhere. Each
 * `X.lspci` has its right answers in `X.lspci.expect.json`, found by another decoder.
 */
const FIXTURES = fileURLToPath(new URL("../../../shared/fixtures", import.meta.url));
const files = ["pciutils", "lact", "libvirt"].flatMap((folder) => {
  const path = join(FIXTURES, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith(".lspci"))
    .map((name) => join(path, name));
});

interface Expected {
  vendor: string;
  device: string;
  class: string;
  prog_if: string;
  revision: string;
  subsystem?: string;
  header_type: number;
  multifunction: boolean;
  config_bytes: number;
  caps: { id: string; off: string }[];
  ext_caps: { id: string; off: string; ver: number }[];
  bridge?: { primary: number; secondary: number; subordinate: number };
  pcie?: { max_speed?: string; max_width?: number; cur_speed?: string; cur_width?: number; type: number };
  sriov?: { total_vfs: number; num_vfs: number; vf_enable: boolean };
  dsn?: string;
  // A proposal for the kind, and capabilities that are not reported.
  accel_by: unknown;
  accel_type: unknown;
  aer?: unknown;
  rebar?: unknown;
}

/** The bytes of each function, read by nothing of ours. */
function rawSpaces(text: string): Map<string, ConfigSpace> {
  const bytes = new Map<string, number[]>();
  let current: number[] = [];
  for (const line of text.split(/\r?\n/)) {
    const device = /^([0-9a-f]{4,8}:)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])( |$)/.exec(line);
    if (device) {
      current = [];
      bytes.set(`${device[1] ?? "0000:"}${device[2]}`, current);
    }
    const hex = /^[0-9a-f]{2,3}:((?: [0-9a-f]{2})+)\s*$/.exec(line);
    if (hex) for (const pair of hex[1]?.trim().split(" ") ?? []) current.push(Number.parseInt(pair, 16));
  }
  return new Map([...bytes].map(([address, values]) => [address, bytesSpace(Uint8Array.from(values))]));
}

const hexDigits = (value: number, digits: number) => value.toString(16).padStart(digits, "0");

/** One function in the words of the answers. */
function inWordsOfAnswers(fn: PciFunction, space: ConfigSpace) {
  const header = parseHeader(space);
  const list = capabilities(space);
  return {
    vendor: fn.vendor_id,
    device: fn.device_id,
    class: fn.class.slice(0, 4),
    prog_if: fn.class.slice(4),
    revision: fn.revision,
    subsystem: fn.subsystem_vendor_id && `${fn.subsystem_vendor_id}:${fn.subsystem_device_id}`,
    header_type: header.header_type,
    multifunction: header.multifunction,
    bridge: header.bridge,
    config_bytes: space.size,
    caps: list.entries.map(({ id, offset }) => ({ id: hexDigits(id, 2), off: hexDigits(offset, 2) })),
    ext_caps: extendedCapabilities(space, list).entries.map(({ id, offset, version }) => ({
      id: hexDigits(id, 4),
      off: hexDigits(offset, 3),
      ver: version,
    })),
    link: fn.link,
    sriov: fn.sriov,
    dsn: fn.serials[0]?.value ?? null,
  };
}

/** The answers where a register of zeros is no answer: there a subsystem, a width or a serial is absent, so null. */
function answers(expected: Expected) {
  const { accel_by, accel_type, aer, pcie, rebar, ...rest } = expected;
  const link = pcie && {
    speed_gts: pcie.cur_speed ? Number(pcie.cur_speed) : null,
    width: pcie.cur_width || null,
    max_speed_gts: pcie.max_speed ? Number(pcie.max_speed) : null,
    max_width: pcie.max_width || null,
  };
  return {
    ...rest,
    subsystem: rest.subsystem && !rest.subsystem.startsWith("0000:") ? rest.subsystem : null,
    bridge: rest.bridge ?? null,
    link: link && Object.values(link).some((value) => value !== null) ? link : null,
    sriov: rest.sriov
      ? {
          total: rest.sriov.total_vfs,
          enabled: rest.sriov.vf_enable ? rest.sriov.num_vfs : 0,
          pf: null,
          vf_index: null,
        }
      : null,
    dsn: rest.dsn && !/^[0-]+$/.test(rest.dsn) ? rest.dsn : null,
  };
}

describe.if(files.length > 0)("parseDump()", () => {
  for (const file of files) {
    test(`reads ${basename(file)} as its recorded answers say`, () => {
      const text = readFileSync(file, "utf8");
      const spaces = rawSpaces(text);
      const { functions, problems } = parseDump(text);
      expect(problems).toEqual([]);
      const expected: Record<string, Expected> = JSON.parse(readFileSync(`${file}.expect.json`, "utf8"));
      const found = functions.map((fn) => [fn.address, inWordsOfAnswers(fn, spaceOf(spaces, fn.address))]);
      expect(Object.fromEntries(found)).toEqual(
        Object.fromEntries(Object.entries(expected).map(([address, answer]) => [address, answers(answer)])),
      );
    });
  }
});

describe.if(files.length > 0 && Bun.which("lspci") !== null)("parseDump() beside lspci -F", () => {
  for (const file of files) {
    test(`reads ${basename(file)} as lspci does`, () => {
      const { functions } = parseDump(readFileSync(file, "utf8"));
      const ours = functions.map((fn) => [fn.address, fn.class.slice(0, 4), `${fn.vendor_id}:${fn.device_id}`]);
      const lines = lspci("-F", file, "-Dnn").split("\n").filter(Boolean);
      const theirs = lines.map((line) => {
        const title = /^(\S+) .*?\[([0-9a-f]{4})\]: .*\[([0-9a-f]{4}:[0-9a-f]{4})\]/.exec(line);
        return title?.slice(1) ?? [line];
      });
      expect(ours.toSorted()).toEqual(theirs.toSorted());

      for (const detail of lspci("-F", file, "-Dnnvv").split("\n\n").filter(Boolean)) {
        const fn = functions.find(({ address }) => detail.startsWith(`${address} `));
        const serial = /Device Serial Number ([0-9a-f-]+)/.exec(detail)?.[1] ?? null;
        expect(fn?.serials[0]?.value ?? null).toBe(serial === "00-00-00-00-00-00-00-00" ? null : serial);
        expect(fn?.sriov?.total ?? null).toBe(number(/Total VFs: (\d+)/.exec(detail)));
        expect(fn?.link?.max_speed_gts ?? null).toBe(number(/LnkCap:.* Speed ([\d.]+)GT/.exec(detail)));
        expect(fn?.link?.speed_gts ?? null).toBe(number(/LnkSta:\s*Speed ([\d.]+)GT/.exec(detail)));
        expect(fn?.link?.max_width ?? null).toBe(number(/LnkCap:.* Width x([1-9]\d*)/.exec(detail)));
        expect<unknown>(fn?.bars).toEqual(regions(detail));
        expect(fn?.link?.width ?? null).toBe(number(/LnkSta:.* Width x([1-9]\d*)/.exec(detail)));
      }
    });
  }
});

/** The BARs of `lspci -vv`. From a dump it lists upper halves of 64-bit BARs too, as Regions of their own. */
function regions(detail: string) {
  const found = detail.matchAll(/^\tRegion (\d): (?:Memory.*\((64|32)-bit, (non-)?prefetchable\)|I\/O)?/gm);
  const bars = [...found].map(([, index, width, non]) => ({
    index: Number(index),
    type: width ? `mem${width}` : "io",
    prefetchable: width !== undefined && non === undefined,
    size: null,
  }));
  return bars.filter(({ index }) => !bars.some((bar) => bar.type === "mem64" && bar.index === index - 1));
}

const number = (match: RegExpExecArray | null) => (match ? Number(match[1]) : null);

function lspci(...args: string[]): string {
  return Bun.spawnSync(["lspci", ...args], { stderr: "ignore" }).stdout.toString();
}

function spaceOf(spaces: Map<string, ConfigSpace>, address: string): ConfigSpace {
  const space = spaces.get(address);
  if (!space) throw new Error(`no bytes of ${address} in the dump`);
  return space;
}
