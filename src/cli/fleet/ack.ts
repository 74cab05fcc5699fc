import type { Command } from "commander";
import { call } from "../operator/call.ts";
import { type FleetFlags, fleet, fleetOptions } from "../operator/conductor.ts";
import { print } from "../output.ts";
import { json as asJson } from "../show/json.ts";
import { printable } from "../text.ts";
import { alarmBy } from "./alarms.ts";

export const examples = `
Examples:
  sinew ack 3f2a9c0d --comment "on my way"   the alarm goes on to fire, and shows that somebody is on it
  sinew ack 3f2a9c0d --undo                  nobody is any more

Exit status: 0 done, 1 it could not be, 2 bad usage.`;

interface Flags extends FleetFlags {
  comment?: string;
  undo?: true;
  json?: true;
}

export function define(command: Command): void {
  command.argument("<ID>", "the alarm, by 4 characters or more of its id's beginning, as `sinew alarms` shows it");
  fleetOptions(command);
  command
    .option("--comment <TEXT>", "what others are to know")
    .option("--undo", "take it back")
    .option("--json", "the alarm as one JSON document")
    .action(async (beginning: string, { comment, undo, json, ...flags }: Flags) => {
      const where = await fleet(flags);
      const { id, kind, node } = await alarmBy(where, beginning);
      const path = `/alarms/${id}/acknowledge`;
      const body = comment === undefined ? {} : { comment };
      const answer = await call(where, undo ? { method: "DELETE", path } : { method: "POST", path, body });
      if (json) return print(`${asJson(answer.body)}\n`);
      await print(`${printable(`${kind} of ${node?.name ?? "many nodes"}`)} is ${undo ? "not " : ""}acknowledged\n`);
    });
}
