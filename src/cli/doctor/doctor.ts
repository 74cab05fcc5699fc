import type { Command } from "commander";
import { stateDirectory } from "../../config.ts";
import { hostFacts } from "../host/facts.ts";
import { readAddress } from "../operator/address.ts";
import { type FleetFlags, fleet, fleetOptions } from "../operator/conductor.ts";
import { print } from "../output.ts";
import { json as asJson } from "../show/json.ts";
import { columns, terminal } from "../table.ts";
import { printable } from "../text.ts";
import { type Finding, look } from "./finding.ts";
import { busFindings, nameFindings } from "./host.ts";
import { clockFindings, portFindings, reachFindings } from "./network.ts";
import { credentialFindings, stateFindings } from "./state.ts";

export const examples = `
Examples:
  sinew doctor                                    can this host show and use its hardware, and be part of a fleet?
  sinew doctor --conductor https://c1:1336 --token viewer.token
                                                  and does that conductor answer from here?
  sinew doctor --json | jq '.findings[] | select(.status != "ok")'

Nothing is changed. Exit status: 0 nothing failed (warnings included), 1 something did, 2 bad usage.`;

interface Flags extends FleetFlags {
  json?: true;
  sysfs?: string;
}

export function define(command: Command): void {
  fleetOptions(command)
    .option("--sysfs <DIR>", "where sysfs is mounted (default: SINEW_SYSFS, /sys)")
    .option("--json", "one JSON document")
    .action((flags: Flags) => doctor(flags));
}

async function doctor({ json, sysfs = process.env.SINEW_SYSFS || "/sys", ...flags }: Flags): Promise<void> {
  const where = await fleet(flags);
  const state = stateDirectory(flags.state, process.env, hostFacts());
  const parts = await Promise.all([
    look("bus", () => busFindings(sysfs)),
    look("pci.ids", () => nameFindings()),
    look("clock", clockFindings),
    look("state", () => stateFindings(state)),
    look("credentials", () => credentialFindings(state)),
    look("ports", () => portFindings(state)),
    look("reach", () => reachFindings(where, state)),
  ]);
  const findings = parts.flat();
  if (findings.some(({ status }) => status === "failed")) process.exitCode = 1;
  if (json) return print(`${asJson({ findings }, 2)}\n`);
  const { colour, wrap } = terminal(process.stdout, process.env);
  const rows = findings.map(({ status, check, message, mend }) => [
    status,
    check,
    mend ? `${message} -> ${mend}` : message,
  ]);
  const text = columns(rows, { wrap });
  await print(`${colour ? text.replace(/^(ok|warning|failed)/gm, painted) : text}${summary(findings)}\n`);
  // What is damaged there has been said above.
  const conductor = where.url !== undefined || (await readAddress(state, "conductor").catch(() => null)) !== null;
  if (!conductor) return;
  const named = flags.conductor === undefined ? "" : ` --conductor ${flags.conductor}`;
  await print(printable(`This is of this host; what is wrong in the fleet: sinew get alarms${named}`).concat("\n"));
}

const COLOURS: Record<string, number> = { ok: 32, warning: 33, failed: 31 };
const painted = (status: string) => `\x1b[${COLOURS[status]}m${status}\x1b[39m`;

function summary(findings: readonly Finding[]): string {
  const count = (status: Finding["status"]) => findings.filter((one) => one.status === status).length;
  const [failed, warnings] = [count("failed"), count("warning")];
  if (failed + warnings === 0) return "Nothing is in the way.";
  return `${failed} failed, ${warnings} warning${warnings === 1 ? "" : "s"}; behind -> is what mends each.`;
}
