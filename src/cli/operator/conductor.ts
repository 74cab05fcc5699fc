import type { Command } from "commander";
import { Exit } from "../exit.ts";
import { call } from "./call.ts";
import type { Context } from "./contexts.ts";
import { WHERE_OPTIONS, type Where } from "./way.ts";

/** What every command that asks a fleet's conductor takes. */
export interface FleetFlags extends Where {
  conductor?: string;
  context?: string;
}

const OPTIONS: [flag: string, help: string][] = [
  [
    "--conductor <URL>",
    "the conductor to ask (default: SINEW_CONDUCTOR, else that of the current context, else the one that runs in the state directory)",
  ],
  ["--context <NAME>", "a conductor that `sinew context set` saved"],
  ...WHERE_OPTIONS.filter(([flag]) => !flag.startsWith("--url")),
];

/** Gives a command the options by which it finds the fleet's conductor. */
export function fleetOptions(command: Command): Command {
  for (const [flag, help] of OPTIONS) command.option(flag, help);
  // What it was called before there were contexts.
  return command.addOption(command.createOption("--url <URL>", "the conductor to ask").hideHelp());
}

/**
 * The conductor that is meant: by a flag, by the environment, by the current context, else that of the state directory.
 * Throws Exit.
 */
export async function fleet({ conductor, context, url, ...flags }: FleetFlags): Promise<Where> {
  const given = conductor ?? url;
  const meant = { ...flags, flag: "--conductor" } as const;
  if (given !== undefined && context !== undefined) {
    throw new Exit(2, "--conductor and --context: expected one of them, found both");
  }
  if (given !== undefined) return { ...meant, url: given };
  if (context === undefined) {
    // A state directory that is named is that of the conductor which is meant.
    if (flags.state !== undefined) return meant;
    const { SINEW_CONDUCTOR } = process.env;
    if (SINEW_CONDUCTOR) return { ...meant, url: SINEW_CONDUCTOR, flag: "SINEW_CONDUCTOR" };
  }
  const { contextNamed, readContexts } = await import("./contexts.ts");
  const saved = await readContexts();
  const name = context ?? saved.current;
  if (name === null) return meant;
  return { ...whereOf(contextNamed(saved, name)), ...meant, flag: `context ${name}` };
}

const whereOf = ({ url, token, ca, client_cert, client_key }: Context): Where => ({
  url,
  ...(token === undefined ? {} : { token }),
  ...(ca === undefined ? {} : { ca }),
  ...(client_cert === undefined ? {} : { clientCert: client_cert }),
  ...(client_key === undefined ? {} : { clientKey: client_key }),
});

/** A conductor that is asked by a command. */
export interface Conductor {
  where: Where;
  /** The body of what is at a path. Throws Exit. */
  ask(path: string): Promise<unknown>;
  /** The same, or null where there is none (404). */
  find(path: string): Promise<unknown>;
  /** The time by the conductor's clock: it dates what it says, and the operator's own may be wrong. */
  now(): number;
}

/** The conductor that the flags mean. Throws Exit. */
export async function conductorOf(flags: FleetFlags): Promise<Conductor> {
  const where = await fleet(flags);
  let ahead = 0;
  async function ask(path: string, refusal?: (problem: object) => string | null): Promise<unknown> {
    const { body, now } = await call(where, { path, ...(refusal ? { refusal } : {}) });
    if (now !== null) ahead = now - Date.now();
    return body;
  }
  const NONE = "there is none";
  return {
    where,
    ask: (path) => ask(path),
    find: (path) =>
      ask(path, (problem) => ("code" in problem && problem.code === "not_found" ? NONE : null)).catch((error) => {
        if (error instanceof Exit && error.message === NONE) return null;
        throw error;
      }),
    now: () => Date.now() + ahead,
  };
}
