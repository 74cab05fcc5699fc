import { fstatSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { IN_PROCESS } from "../../auth/caller.ts";
import type { Config } from "../../config.ts";
import type { HardwareList } from "../../contract/hardware.ts";
import { generic } from "../../drivers/generic.ts";
import { kinds } from "../../drivers/registry.ts";
import type { Tier } from "../../tiers/tier.ts";
import { hardwareTable, terminal } from "../table.ts";

/** What a person reads when a role is up: the hardware found, the addresses, who may use them. */
export async function introduction(started: {
  config: Config;
  tier: Tier;
  url: string;
  caHash: string | null;
}): Promise<string> {
  const { config, url, caHash } = started;
  const found = config.role === "conductor" ? "" : `${await foundHere(started)}\n`;
  const unix = url.startsWith("unix:");
  const at = (path: string) => (unix ? path : `${url}${path}`);
  const lines = [
    `API        ${unix ? `${url} (curl --unix-socket ${url.slice(5)} http://localhost/hardware)` : at("/hardware")}`,
    `OpenAPI    ${at("/doc")}`,
    `Reference  ${at("/reference")}`,
    config.auth === "open"
      ? `Auth       open: no credentials, ${unix ? "whoever may open the socket" : "loopback only"}`
      : `Auth       Authorization: Bearer $(cat ${config.state}/operator.token)`,
  ];
  if (caHash !== null) lines.push(`TLS        CA with SHA-256 ${caHash}`);
  return `${found}${lines.join("\n")}\n`;
}

async function foundHere({ config, tier }: { config: Config; tier: Tier }): Promise<string> {
  const path = config.role === "all" ? "/agent/hardware" : "/hardware";
  const response = await tier.fetch(new Request(`http://localhost${path}?limit=1000`), { caller: IN_PROCESS });
  if (!response.ok) return `The hardware found cannot be shown: ${path} answered ${response.status}\n`;
  // Our own tier's answer, whose schema its tests check.
  const { hardware, sources, next_page_token } = (await response.json()) as HardwareList;
  if (hardware.length === 0) {
    // All built-in drivers look at one bus: what one could not read, none could.
    const own = config.role === "driver" ? config.driver : config.drivers[0];
    const failed = sources.find(({ name, error }) => name === own && error?.code === "crashed");
    return failed?.error ? `The PCI bus cannot be read: ${failed.error.message}\n` : await nothingFound(config);
  }
  // Not by process.stdout, which brings node's streams into a process that runs for months.
  const more = next_page_token ? `More than ${hardware.length} devices; GET ${path} has the rest.\n` : "";
  return hardwareTable(hardware, terminal({ isTTY: fstatSync(1).isCharacterDevice() }, process.env)) + more;
}

async function nothingFound(config: Config): Promise<string> {
  const { source, drivers, role } = config;
  if (role !== "driver" && drivers.length === 0) {
    return "No built-in drivers: what is listed here is what drivers report that join this agent.\n";
  }
  const looked = await functionsOf(source);
  if (looked === 0) return `No PCI function is in ${"sysfs" in source ? source.sysfs : source.snapshot}.\n`;
  const flag =
    "sysfs" in source ? (source.sysfs === "/sys" ? "" : ` --sysfs ${source.sysfs}`) : ` --snapshot ${source.snapshot}`;
  return `None of the ${looked} PCI functions looked at is ${lookedFor(config)}; \`sinew scan --all${flag}\` shows them.\n`;
}

/** "a GPU", "a GPU or NIC"; an accelerator where every kind was looked for. */
function lookedFor({ role, driver, drivers }: Config): string {
  const names = role === "driver" ? [driver ?? generic.name] : drivers.filter((name) => name !== generic.name);
  if (kinds.every(({ name }) => names.includes(name))) return "an accelerator";
  const types = names.map((name) => kinds.find((kind) => kind.name === name)?.deviceType ?? name.toUpperCase());
  // As they are said: an F-P-G-A, a crypto.
  const article = /^(AI|F|N|SSD)/.test(types[0] ?? "") ? "an" : "a";
  return `${article} ${types.join(" or ")}`;
}

async function functionsOf(source: Config["source"]): Promise<number> {
  if ("sysfs" in source) return (await readdir(`${source.sysfs}/bus/pci/devices`).catch(() => [])).length;
  const { functions } = JSON.parse(await readFile(source.snapshot, "utf8")) as { functions?: Record<string, unknown> };
  return Object.keys(functions ?? {}).length;
}
