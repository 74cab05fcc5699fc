import type { Command } from "commander";
import { word } from "../get/words.ts";
import { print } from "../output.ts";
import { SCRIPTS, SHELLS, type Shell } from "./scripts.ts";

export const examples = `
Examples:
  source <(sinew completion bash)                                      in this shell; in ~/.bashrc for all
  sinew completion zsh > "\${fpath[1]}/_sinew"                          then a new shell
  sinew completion fish > ~/.config/fish/completions/sinew.fish

It completes commands, options and their words, and asks the conductor for names and ids, within a second or not at all.
Exit status: 0 done, 2 bad usage.`;

export function define(command: Command): void {
  command
    .argument("<SHELL>", SHELLS.join(", "))
    .action((shell: string) => print(SCRIPTS[word("SHELL", shell, SHELLS) as Shell]));
}
