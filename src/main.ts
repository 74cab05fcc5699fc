#!/usr/bin/env bun
import { bugText, Exit } from "./cli/exit.ts";
import { printable } from "./cli/text.ts";
import { COMMANDS } from "./commands.ts";

const EXAMPLES = `
Examples:
  sinew scan                     what is in this machine, and is it ready?
  sinew scan --json | jq .       the same for programs
  sinew start                    the same and kept true, as an API on http://127.0.0.1:1336
  sinew get hardware             in the fleet: which are not ready, where, why, since when, and what to do
  sinew describe node NAME       all that is known of one machine
  sinew COMMAND --help           options and examples of a command`;

async function main(argv: string[]): Promise<void> {
  const [first = "", ...rest] = argv;
  const direct = Object.hasOwn(COMMANDS, first) ? await COMMANDS[first]?.load() : null;
  if (await direct?.directly?.(rest)) return;
  const { Command } = await import("commander");
  const program = new Command("sinew")
    .description("Finds the accelerators in a machine, says whether each is ready and why not.")
    .version(await version(), "-V, --version")
    .addHelpText("after", EXAMPLES)
    .showHelpAfterError("(--help shows what there is)")
    .exitOverride();
  const called = argv.find((argument) => !argument.startsWith("-"));
  for (const [name, { summary, group, hidden = false, load }] of Object.entries(COMMANDS)) {
    const command = program.command(name, { hidden }).description(summary).helpGroup(`${group}:`);
    if (called !== name && !(called === "help" && argv.includes(name))) continue;
    const { define, examples } = await load();
    command.addHelpText("after", examples);
    define(command);
  }
  const [asked] = called === "help" ? argv.slice(argv.indexOf(called) + 1).filter((one) => !one.startsWith("-")) : [];
  if (asked !== undefined && !Object.hasOwn(COMMANDS, asked) && asked !== "help") {
    const { elsewhere } = await import("./cli/show/elsewhere.ts");
    const { didYouMean } = await import("./cli/show/near.ts");
    const here = elsewhere(asked);
    const mend = here === null ? didYouMean(asked, Object.keys(COMMANDS)) : `: ${here}`;
    throw new Exit(2, `there is no command ${JSON.stringify(asked)}${mend || "; `sinew --help` shows what there is"}`);
  }
  if (called !== undefined && !Object.hasOwn(COMMANDS, called)) {
    const { elsewhere } = await import("./cli/show/elsewhere.ts");
    const here = elsewhere(called);
    if (here !== null)
      program.on("command:*", () => {
        throw new Exit(2, `there is no command ${JSON.stringify(called)}: ${here}`);
      });
  }
  await program.parseAsync(argv, { from: "user" });
}

async function version(): Promise<string> {
  const { default: manifest } = await import("../package.json", { with: { type: "json" } });
  return manifest.version;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof Exit) {
    // Files and peers have a part in what is said.
    console.error(`sinew: ${error.message.split("\n").map(printable).join("\n")}`);
    process.exit(error.status);
  }
  // commander has said what is wrong; its own status for bad usage is 1.
  if (isCommanderError(error)) process.exit(error.exitCode === 0 ? 0 : 2);
  const missing = error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
  if (missing) console.error(`sinew: ${error.message}; \`bun install --production\` installs what it needs`);
  else console.error(bugText(error));
  process.exit(1);
}

function isCommanderError(error: unknown): error is Error & { exitCode: number } {
  return (
    error instanceof Error && "exitCode" in error && "code" in error && String(error.code).startsWith("commander.")
  );
}
