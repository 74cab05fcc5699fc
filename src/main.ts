#!/usr/bin/env bun
import type { Command } from "commander";
import { Exit } from "./cli/exit.ts";

/** What a command's module gives: its options and what it does, and examples for its help. */
interface CommandModule {
  define(command: Command): void;
  examples: string;
  /** Does it all when that needs no help from a library; false: it does. */
  directly?(argv: readonly string[]): Promise<boolean>;
}

// Each loads only when it is called: `scan` would otherwise pay for a server it never starts.
const COMMANDS: Record<string, { summary: string; load: () => Promise<CommandModule> }> = {
  start: {
    summary: "run a conductor, agent or driver, or (by default) all three on this machine",
    load: () => import("./cli/start.ts"),
  },
  scan: {
    summary: "list this machine's accelerators, each with whether it is ready and if not why",
    load: () => import("./cli/scan.ts"),
  },
  plan: {
    summary: "show what setting devices up as configured would write, who would lose them, and how to get back",
    load: () => import("./cli/setup/plan.ts"),
  },
  apply: {
    summary: "set devices up as configured, read everything back, and roll back what failed",
    load: () => import("./cli/setup/apply.ts"),
  },
  revert: {
    summary: "bring devices back to what they were before their first setup",
    load: () => import("./cli/setup/revert.ts"),
  },
  snapshot: {
    summary: "write this machine's PCI bus as one JSON file that scan and start can replay",
    load: () => import("./cli/snapshot.ts"),
  },
  token: {
    summary: "make, list and revoke credentials: for agents that join, for people and services, for drivers",
    load: () => import("./cli/token.ts"),
  },
  node: {
    summary: "what an operator does about one node of the fleet",
    load: () => import("./cli/node.ts"),
  },
  expect: {
    summary:
      "say what hardware is to be on this node, or which nodes in the fleet, so that what is gone without an error is missed",
    load: () => import("./cli/expect/expect.ts"),
  },
  alarms: {
    summary: "show what is wrong in the fleet, for how long, and what to do",
    load: () => import("./cli/fleet/alarms.ts"),
  },
  ack: {
    summary: "say that somebody is on an alarm",
    load: () => import("./cli/fleet/ack.ts"),
  },
  window: {
    summary: "tell nobody of some alarms for a while: maintenance",
    load: () => import("./cli/fleet/window.ts"),
  },
  backup: {
    summary: "write a conductor's database to a file, while the conductor runs",
    load: () => import("./cli/fleet/backup.ts"),
  },
  restore: {
    summary: "put a backup in the place of a conductor's database",
    load: () => import("./cli/fleet/restore.ts"),
  },
  conform: {
    summary: "tell a driver, agent or conductor, ours or another's, what it does wrong",
    load: () => import("./cli/conform.ts"),
  },
};

const EXAMPLES = `
Examples:
  sinew scan                     what is in this machine, and is it ready?
  sinew scan --json | jq .       the same for programs
  sinew start                    the same and kept true, as an API on http://127.0.0.1:1336
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
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const command = program.command(name).description(summary);
    if (called !== name && !(called === "help" && argv.includes(name))) continue;
    const { define, examples } = await load();
    command.addHelpText("after", examples);
    define(command);
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
    console.error(`sinew: ${error.message}`);
    process.exit(error.status);
  }
  // commander has said what is wrong; its own status for bad usage is 1.
  if (isCommanderError(error)) process.exit(error.exitCode === 0 ? 0 : 2);
  const missing = error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
  if (missing) console.error(`sinew: ${error.message}; \`bun install --production\` installs what it needs`);
  else console.error("sinew: a bug:", error);
  process.exit(1);
}

function isCommanderError(error: unknown): error is Error & { exitCode: number } {
  return (
    error instanceof Error && "exitCode" in error && "code" in error && String(error.code).startsWith("commander.")
  );
}
