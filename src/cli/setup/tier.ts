import type { Command } from "commander";
import { stateDirectory } from "../../config.ts";
import type { Hardware } from "../../contract/hardware.ts";
import type { Operation } from "../../contract/operation.ts";
import { canForce } from "../../setup/plan/refusals.ts";
import { Exit } from "../exit.ts";
import { hostFacts } from "../host/facts.ts";
import { readAddress } from "../operator/address.ts";
import { call } from "../operator/call.ts";
import { all } from "../operator/pages.ts";
import { WHERE_OPTIONS, type Where } from "../operator/way.ts";
import { printable } from "../text.ts";

/** The tier that is asked about devices: the node's agent, where one runs here. */
export interface DeviceTier {
  ask(request: Parameters<typeof call>[1]): Promise<unknown>;
}

export function whereOptions(command: Command): Command {
  for (const [flag, help] of WHERE_OPTIONS) {
    command.option(flag, flag.startsWith("--url") ? help.replace("the conductor, else the agent,", "the agent") : help);
  }
  return command;
}

/** The agent of the state directory, also where it is one process with its conductor; else what `--url` names. */
export async function deviceTier(where: Where): Promise<DeviceTier> {
  const state = stateDirectory(where.state, process.env, hostFacts());
  const agent = where.url === undefined ? await readAddress(state, "agent") : null;
  const to = agent === null ? where : { ...where, url: agent };
  const prefix = where.url === undefined && agent === null && (await hasMount(to)) ? "/agent" : "";
  return { ask: async (request) => (await call(to, { ...request, path: `${prefix}${request.path}` })).body };
}

async function hasMount(where: Where): Promise<boolean> {
  const none = "no agent here";
  try {
    await call(where, { path: "/agent/healthz", refusal: () => none });
    return true;
  } catch (error) {
    // A conductor alone: it hands on what is asked of its fleet's devices.
    if (error instanceof Exit && error.message === none) return false;
    throw error;
  }
}

export const allDevices = ({ ask }: DeviceTier): Promise<Hardware[]> =>
  all((path) => ask({ path }), "hardware", "/hardware");

/** The devices that a person means by a uuid, an address or a slot; without one, those that a rule is about. */
export function chosen(devices: readonly Hardware[], wanted: string | undefined): Hardware[] {
  const present = devices.filter(({ freshness }) => freshness !== "GONE");
  if (wanted === undefined) {
    const ruled = present.filter(configured);
    const addresses = new Set(ruled.map(({ pci }) => pci?.address));
    // VFs are set up with their PF.
    return ruled.filter(({ pci }) => !addresses.has(pci?.sriov?.pf ?? undefined));
  }
  const text = wanted.toLowerCase();
  const address = /^[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.test(text) ? `0000:${text}` : text;
  const found = present.filter(({ uuid, pci }) => uuid === text || pci?.address === address);
  if (found.length > 0) return found;
  const slot = present.filter(({ pci }) => pci?.slot === wanted);
  if (slot.length > 0) return slot;
  throw new Exit(
    1,
    `no device here has the uuid, the address or the slot "${printable(wanted)}"; \`sinew scan\` shows them`,
  );
}

/** Throws Exit where a change would be one of several nodes: at a conductor an address is one in each machine. */
export function onOneNode(devices: readonly Hardware[]): void {
  const nodes = nodesOf(devices);
  if (nodes.length < 2) return;
  const some = `${nodes.slice(0, 5).join(", ")}${nodes.length > 5 ? ", ..." : ""}`;
  const instead = "name a device by its uuid, which `sinew plan --json` shows, or ask at its node";
  throw new Exit(
    1,
    printable(`these are devices of ${nodes.length} nodes (${some}), and nothing was done: ${instead}`),
  );
}

export const nodesOf = (devices: readonly Hardware[]): string[] => [
  ...new Map(devices.map(({ node }) => [node?.id, node?.name ?? "?"])).values(),
];

const configured = ({ acc_status }: Hardware) => acc_status?.conditions?.some(({ type }) => type === "Configured");

/** `GPU NVIDIA A100 at 0000:3b:00.0, slot 4`, and where `node` is wanted, `, node rack7`. */
export function titleOf({ name, acc_specs, pci, uuid, node }: Hardware, more: { node?: boolean } = {}): string {
  const slot = pci?.slot ? `, slot ${pci.slot}` : "";
  // Without a pci.ids its name is its type and ids.
  const type = name.startsWith(acc_specs.device_type) ? "" : `${acc_specs.device_type} `;
  const where = more.node && node ? `, node ${node.name}` : "";
  return printable(`${type}${name} at ${pci?.address ?? uuid}${slot}${where}`);
}

/** What stands against it, a line each, and what overrides it where something does. */
export function refusalLines(refusals: readonly { name: string; reason: string }[]): string[] {
  return refusals.map(({ name, reason }) => {
    const hint = canForce(name) ? ` (--force ${name} does it nevertheless)` : "";
    return printable(`${name}: ${reason}${hint}`);
  });
}

/** A refusal's problem document in words: one line for each thing in the way. */
export function refusalWords(problem: object): string | null {
  const { code, errors } = problem as { code?: unknown; errors?: { pointer: string; detail: string }[] };
  if (code !== "setup_refused" || !Array.isArray(errors)) return null;
  const lines = errors.map(({ pointer, detail }) => printable(`  ${pointer}: ${detail}`));
  return `refused, and nothing was written:\n${lines.join("\n")}`;
}

/** Starts a setup and follows it to its end, telling of each step that ended. */
export async function carryOut(
  { ask }: DeviceTier,
  uuid: string,
  body: { revert?: boolean; force?: string[] },
  onStep: (line: string) => Promise<void>,
): Promise<Operation> {
  const path = `/hardware/${uuid}/setup`;
  const started = (await ask({ method: "POST", path, body, refusal: refusalWords })) as { operation?: string } | null;
  if (typeof started?.operation !== "string") throw new Exit(1, "expected an operation, got something else");
  let told = 0;
  for (;;) {
    const operation = (await ask({ path: `/operations/${started.operation}`, prefer: "wait=1" }).catch((error) => {
      if (!(error instanceof Exit)) throw error;
      const then = "the setup had begun, and how it ended is not known here: `sinew plan` shows what is there now";
      throw new Exit(error.status, `${error.message}; ${then}`);
    })) as Operation | null;
    if (!operation || !Array.isArray(operation.children))
      throw new Exit(1, "expected an operation, got something else");
    for (const { name, status, error } of operation.children.slice(told)) {
      if (status === "IN-PROGRESS") break;
      told += 1;
      await onStep(printable(`${status === "SUCCEEDED" ? "ok    " : "failed"}  ${name}${error ? `: ${error}` : ""}`));
    }
    if (operation.status !== "IN-PROGRESS") return operation;
  }
}
