import type { Command } from "commander";
import { type FleetFlags, fleetOptions } from "../operator/conductor.ts";
import { service } from "./cordon.ts";
import { TARGET } from "./target.ts";

export { examples } from "./cordon.ts";

export function define(command: Command): void {
  fleetOptions(command.argument("<NODE|DEVICE...>", TARGET))
    .option("--json", "each as one line of JSON")
    .action((all: string[], flags: FleetFlags & { json?: true }) => service(all, flags, null));
}
