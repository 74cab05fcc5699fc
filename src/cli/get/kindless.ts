import type { Command } from "commander";
import { Exit } from "../exit.ts";
import { didYouMean } from "../show/near.ts";
import { printable } from "../text.ts";

/** Whoever leaves the kind out, as in `sinew describe n1`, is told what to type. */
export function kindless(command: Command): void {
  command.on("command:*", ([said = ""]: string[]) => {
    const kinds = command.commands.map((one) => one.name());
    const near = didYouMean(
      said,
      command.commands.flatMap((one) => [one.name(), ...one.aliases()]),
    );
    // What has an address, or is nothing but hex digits, is a device.
    const device = /[/:]|^[0-9a-f-]{8,}$/.test(said) && kinds.includes("hardware");
    const [, word = ""] = /^(?:node|hardware)\/(.+)$/.exec(said) ?? [];
    const kind = word === "" ? (device ? "hardware" : "node") : (said.split("/")[0] ?? "");
    const hint = near || `; \`sinew ${command.name()} ${kind} ${word || said}\`?`;
    throw new Exit(2, printable(`expected ${kinds.join(" or ")}, found ${JSON.stringify(said)}${hint}`));
  });
}
