import type { Command } from "commander";
import { conductorOf, type FleetFlags, fleetOptions } from "../operator/conductor.ts";
import { print } from "../output.ts";
import { json as asJson } from "../show/json.ts";
import { patch, TARGET, type Target, target, titleOf } from "./target.ts";

export const examples = `
Examples:
  sinew cordon rack7-gpu3 --comment "new disks"    nothing of it alarms, and it is shown as out of service
  sinew cordon rack7-gpu3/3b:00.0                  one device
  sinew uncordon rack7-gpu3                        in service again: what is wrong alarms after its hold

Discovery, readiness and setup go on as before: it is for people, and for who places work.
Exit status: 0 done, 1 it could not be, 2 bad usage.`;

interface Flags extends FleetFlags {
  comment?: string;
  json?: true;
}

export function define(command: Command): void {
  fleetOptions(command.argument("<NODE|DEVICE...>", TARGET))
    .option("--comment <TEXT>", "why, for whoever looks at it")
    .option("--json", "each as one line of JSON")
    .action((all: string[], { comment, ...flags }: Flags) =>
      service(all, flags, comment === undefined ? true : { comment }),
    );
}

/** Takes nodes and devices out of service, or with null back. Throws Exit. */
export async function service(all: string[], { json, ...flags }: Flags, cordoned: object | true | null): Promise<void> {
  const conductor = await conductorOf(flags);
  // A word that means nothing ends it before anything is done.
  const meant: Target[] = [];
  for (const said of all) meant.push(await target(conductor, said));
  for (const one of meant) {
    const body = await patch(conductor, one, { cordoned });
    await print(json ? `${asJson(body)}\n` : `${titleOf(one)} ${cordoned === null ? "uncordoned" : "cordoned"}\n`);
  }
}
