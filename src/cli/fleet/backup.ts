import { resolve } from "node:path";
import type { Command } from "commander";
import { stateDirectory } from "../../config.ts";
import { databaseUrl } from "../../config-values.ts";
import { codeOf, Exit, reasonOf } from "../exit.ts";
import { hostFacts } from "../host/facts.ts";
import { print } from "../output.ts";

export const examples = `
Examples:
  sinew backup /backup/fleet.sqlite        while the conductor runs, or not; never over a file that is there
  sinew backup --db sqlite:/srv/c.sqlite /backup/fleet.sqlite

A PostgreSQL database is backed up by pg_dump: this says how. Exit status: 0 done, 1 it could not be, 2 bad usage.`;

export interface DatabaseFlags {
  db?: string;
  state?: string;
}

export const DATABASE_OPTIONS = [
  ["--state <DIR>", "the conductor's state directory (default: as for start)"],
  ["--db <URL>", "its database (default: conductor.sqlite in the state directory)"],
] as const;

/** Which database is meant: a file, or a PostgreSQL server's, with its password taken out of what is `shown`. */
export function databaseOf(flags: DatabaseFlags): { state: string; sqlite: string } | { url: string; shown: string } {
  const host = hostFacts();
  const state = stateDirectory(flags.state, process.env, host);
  const found = databaseUrl(flags.db ?? (process.env.SINEW_DB || `sqlite:${state}/conductor.sqlite`), host.cwd);
  if ("problem" in found) throw new Exit(2, `--db: expected sqlite:PATH or postgres://..., found ${found.problem}`);
  if (found.url.startsWith("sqlite:")) return { state, sqlite: found.url.slice("sqlite:".length) };
  const shown = new URL(found.url);
  shown.password = "";
  return { url: found.url, shown: shown.href };
}

export function define(command: Command): void {
  command.argument("<FILE>", "where to, a file that is not there yet");
  for (const [flag, help] of DATABASE_OPTIONS) command.option(flag, help);
  command.action(async (file: string, flags: DatabaseFlags) => {
    const database = databaseOf(flags);
    if ("url" in database) {
      const dump = `pg_dump --format=custom --file=${quoted(file)} ${quoted(database.shown)}`;
      throw new Exit(1, `a PostgreSQL database is backed up by its own program, while conductors run:\n  ${dump}`);
    }
    const { backupSqlite } = await import("../../db/sqlite/backup.ts");
    await backupSqlite(database.sqlite, resolve(file)).catch((error) => {
      const why = codeOf(error) === "EEXIST" ? "there is a file already, and a backup replaces none" : reasonOf(error);
      throw new Exit(1, `no backup of ${database.sqlite} in ${file}: ${why}`);
    });
    await print(`the database is in ${file}; \`sinew restore ${file}\` puts it back\n`);
  });
}

/** For a shell. */
export const quoted = (text: string) => (/^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
