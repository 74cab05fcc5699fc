import type { Command } from "commander";
import { isPlainName, PLAIN_NAME } from "../../contract/fleet/labels.ts";
import type { Node } from "../../contract/node.ts";
import { Exit } from "../exit.ts";
import { kindless } from "../get/kindless.ts";
import { nodeCalled, nodes } from "../get/kinds/nodes.ts";
import { bare } from "../get/select.ts";
import { writeError } from "../host/stderr.ts";
import { conductorOf, type FleetFlags, fleetOptions } from "../operator/conductor.ts";
import { print } from "../output.ts";
import { json as asJson } from "../show/json.ts";
import { printable } from "../text.ts";
import { patch } from "./target.ts";

export const examples = `
Examples:
  sinew label node n1 rack=r7 site=ams     sinew get nodes -l rack=r7 finds it, and so does every other list
  sinew label node n1 rack=r8 --overwrite  another value than it has
  sinew label node n1 rack-                take it back: what the node says itself shows again

Exit status: 0 done, 1 it could not be, 2 bad usage.`;

interface Flags extends FleetFlags {
  overwrite?: true;
  json?: true;
}

export function define(command: Command): void {
  kindless(command);
  const node = command
    .command("node")
    .description("give a node labels, by which lists, alarms and discoveries choose")
    .argument("<NODE>", "by name, or by the beginning of the id")
    .argument("<LABEL...>", "NAME=VALUE to give one, NAME- to take it back");
  fleetOptions(node)
    .option("--overwrite", "also where the node has another value")
    .option("--json", "the node as one JSON document")
    .action((said: string, words: string[], flags: Flags) => label(said, words, flags));
}

/** `rack=r7` and `old-` as a patch has them. Throws Exit 2. */
export function labelsPatch(words: readonly string[]): Record<string, string | null> {
  const patch: [string, string | null][] = words.map((word) => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(word) ?? [];
    if (name !== undefined && value !== undefined) {
      if (!isPlainName(name)) throw new Exit(2, `<LABEL>: ${PLAIN_NAME}, found ${JSON.stringify(name)}`);
      return [name, value];
    }
    const [, taken] = /^([^=]+)-$/s.exec(word) ?? [];
    if (taken !== undefined) return [taken, null];
    throw new Exit(2, `<LABEL>: expected NAME=VALUE or NAME-, found ${JSON.stringify(word)}`);
  });
  const twice = patch.find(([name], at) => patch.findIndex((one) => one[0] === name) !== at);
  if (twice) throw new Exit(2, `<LABEL>: expected each label once, found ${JSON.stringify(twice[0])} again`);
  return Object.fromEntries(patch);
}

async function label(said: string, words: string[], { overwrite, json, ...flags }: Flags): Promise<void> {
  const labels = labelsPatch(words);
  const conductor = await conductorOf(flags);
  const before = await nodeCalled(conductor, bare(nodes)(said));
  const has = (node: Node, name: string) => (Object.hasOwn(node.labels, name) ? (node.labels[name] ?? null) : null);
  for (const [name, value] of Object.entries(labels)) {
    const found = has(before, name);
    if (value === null || found === null || found === value || overwrite) continue;
    throw new Exit(
      1,
      printable(`label ${name} of ${before.name} is ${JSON.stringify(found)}: --overwrite gives it another value`),
    );
  }
  const after = (await patch(conductor, { of: "node", node: before }, { labels })) as Node | null;
  if (typeof after?.labels !== "object") throw new Exit(1, "expected a node, got something else");
  for (const [name, value] of Object.entries(labels)) {
    if (value !== null) continue;
    const left = has(after, name);
    if (left !== null)
      writeError(`sinew: note: ${printable(`${name}=${left}`)} stays: ${printable(after.name)} says so itself\n`);
    else if (has(before, name) === null)
      writeError(`sinew: note: ${printable(after.name)} had no label ${printable(name)}\n`);
  }
  if (json) return print(`${asJson(after)}\n`);
  const shown = Object.entries(after.labels).map((one) => one.join("="));
  await print(printable(`node/${after.name} ${shown.join(",") || "has no labels"}`).concat("\n"));
}
