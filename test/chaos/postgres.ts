import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { freePort } from "../support/ports.ts";
import { postgresPrograms } from "../support/postgres.ts";
import { type Disk, makeDisk } from "./place.ts";

const PASSWORD = "chaos";

/** A PostgreSQL server of our own, that can be stopped, killed and started again on the same data. */
export async function makePostgres(folder: string, log: string) {
  const programs = await postgresPrograms();
  const disk: Disk = makeDisk(join(folder, "postgres"), 256, programs.user.uid);
  const data = join(disk.path, "data");
  const passwordFile = join(disk.path, "password");
  await writeFile(passwordFile, PASSWORD);
  await mkdir(data, { mode: 0o700 });
  if (programs.user.uid)
    for (const path of [disk.path, data, passwordFile]) await chown(path, programs.user.uid, programs.user.gid);
  const port = freePort();
  let child: ChildProcess | null = null;
  let wanted = false;

  function run(program: string, args: string[]): ChildProcess {
    const output = openSync(log, "a");
    const started = spawn(program, args, { ...programs.user, cwd: "/", stdio: ["ignore", output, output] });
    closeSync(output);
    return started;
  }
  const ended = (one: ChildProcess) =>
    one.exitCode !== null || one.signalCode !== null ? Promise.resolve() : new Promise((done) => one.on("exit", done));

  const made = run(programs.initdb, [
    ...[`--pgdata=${data}`, "--auth=scram-sha-256", "--username=sinew", `--pwfile=${passwordFile}`],
    ...["--encoding=UTF8", "--locale=C", "--no-sync"],
  ]);
  await ended(made);
  if (made.exitCode !== 0) throw new Error(`initdb exited ${made.exitCode}; see ${log}`);

  /** Until it answers: after a kill it first has to bring its data in order, and its old children have to be gone. */
  async function start(): Promise<void> {
    wanted = true;
    const deadline = performance.now() + 30_000;
    while (performance.now() < deadline) {
      if (child === null || child.exitCode !== null || child.signalCode !== null) {
        if (!wanted) return;
        child = run(programs.postgres, [
          ...["-D", data, "-p", String(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
          ...["-c", "fsync=off", "-c", "max_connections=100", "-c", "max_wal_size=64MB", "-c", "min_wal_size=32MB"],
        ]);
      }
      if (await answers()) return;
      await Bun.sleep(100);
    }
    throw new Error(`PostgreSQL did not answer within 30 s; see ${log}`);
  }

  async function answers(): Promise<boolean> {
    const sql = postgres(urlAt(port, "postgres"), { max: 1, connect_timeout: 2, onnotice: () => {} });
    try {
      await sql`SELECT 1`;
      return true;
    } catch {
      return false; // not yet, and the deadline says how long
    } finally {
      await sql.end({ timeout: 0 });
    }
  }

  const urlAt = (at: number, name = "sinew") => `postgres://sinew:${PASSWORD}@127.0.0.1:${at}/${name}`;
  await start();
  const admin = postgres(urlAt(port, "postgres"), { max: 1, onnotice: () => {} });
  await admin.unsafe("CREATE DATABASE sinew").finally(() => admin.end());

  return {
    port,
    disk,
    urlAt,
    start,
    /** SIGINT has it close every connection and stop in order. */
    async stop(signal: "SIGINT" | "SIGKILL"): Promise<void> {
      wanted = false;
      const own = child;
      child = null;
      if (!own) return;
      own.kill(signal);
      await ended(own);
    },
    async close(): Promise<void> {
      await this.stop("SIGINT");
      disk.close();
    },
  };
}
export type Postgres = Awaited<ReturnType<typeof makePostgres>>;
