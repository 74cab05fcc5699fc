import type { Command } from "commander";
import { DEVICE_TYPES } from "../../contract/hardware.ts";
import { Exit } from "../exit.ts";
import { didYouMean } from "../show/near.ts";
import { printable } from "../text.ts";

/** What has an address, or is nothing but hex digits, is a device. */
const isDevice = (said: string) => /[/:]|^[0-9a-f-]{8,}$/.test(said);
/** `node/n1` and `hardware/8e45a2ea` as `-o name` prints them. */
const partsOf = (said: string) => /^(node|hardware)\/(.+)$/.exec(said)?.slice(1) ?? [];

/** Whoever leaves the kind out, as in `sinew describe n1`, is told what to type. */
export const kindless = (command: Command): void =>
  unknown(command, (said) => {
    const [kind, word = said] = partsOf(said);
    const device = isDevice(said) && command.commands.some((one) => one.name() === "hardware");
    return `\`sinew ${command.name()} ${kind ?? (device ? "hardware" : "node")} ${word}\`?`;
  });

/** What `sinew get` lists otherwise, or not at all. */
const ELSEWHERE: Record<string, string> = {
  event: "`sinew get changes`",
  events: "`sinew get changes`",
  windows: "`sinew window list`",
  tokens: "`sinew token list`",
  contexts: "`sinew context list`",
  labels: "`sinew get nodes -o wide`",
};

/** The same of a list, as in `sinew get n1`: of what is in a node, of one device, or of the devices of a type. */
export const listless = (command: Command): void =>
  unknown(command, (said) => {
    const list = `sinew ${command.name()}`;
    const [kind, word = said] = partsOf(said);
    const type = DEVICE_TYPES.find((one) => [one, `${one}S`].includes(said.toUpperCase()));
    if (Object.hasOwn(ELSEWHERE, said)) return ELSEWHERE[said] ?? "";
    if (type) return `\`${list} hardware --type ${type}\`?`;
    if (kind === "hardware" || (kind === undefined && isDevice(said)))
      return command.name() === "get" ? `\`${list} hardware ${word}\`?` : `\`sinew describe hardware ${word}\`?`;
    return `\`${list} hardware --node ${word}\` lists what a node has, \`sinew describe node ${word}\` says all that is known of it`;
  });

function unknown(command: Command, hintOf: (said: string) => string): void {
  command.on("command:*", ([said = ""]: string[]) => {
    const kinds = command.commands.map((one) => one.name());
    const near = didYouMean(
      said,
      command.commands.flatMap((one) => [one.name(), ...one.aliases()]),
    );
    const hint = near || `; ${hintOf(said)}`;
    const expected = [kinds.slice(0, -1).join(", "), ...kinds.slice(-1)].filter(Boolean).join(" or ");
    throw new Exit(2, printable(`expected ${expected}, found ${JSON.stringify(said)}${hint}`));
  });
}
