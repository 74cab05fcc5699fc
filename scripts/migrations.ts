/**
 * Generates the migrations of both dialects from src/db/schema/tables.ts: `bun scripts/migrations.ts NAME`.
 * `--check` changes nothing and exits 1 when they are not current.
 */
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const DIALECTS = [
  { name: "sqlite", drizzle: "sqlite" },
  { name: "postgres", drizzle: "postgresql" },
];
const root = join(import.meta.dir, "..");

async function generate(dialect: (typeof DIALECTS)[number], out: string, name: string): Promise<void> {
  const options = {
    dialect: dialect.drizzle,
    schema: `src/db/schema/tables-${dialect.name}.ts`,
    // drizzle-kit puts "./" before the folder, absolute or not.
    out: relative(root, out),
    name,
  };
  const args = Object.entries(options).flatMap(([key, value]) => [`--${key}`, value]);
  // No stdin: asked whether a column was renamed, drizzle-kit must fail here, not wait.
  const run = Bun.spawn([process.execPath, "--bun", "x", "drizzle-kit", "generate", ...args], {
    cwd: root,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([run.stdout.text(), run.stderr.text(), run.exited]);
  if (code !== 0) throw new Error(`drizzle-kit generate (${dialect.name}) failed with ${code}:\n${stdout}${stderr}`);
}

/** True when generating into a copy adds nothing to it. */
async function isCurrent(dialect: (typeof DIALECTS)[number]): Promise<boolean> {
  const copy = await mkdtemp(join(tmpdir(), "sinew-migrations-"));
  try {
    const folder = join(root, "drizzle", dialect.name);
    await cp(folder, copy, { recursive: true });
    await generate(dialect, copy, "check");
    const migrations = async (path: string) => (await readdir(path)).filter((file) => file.endsWith(".sql")).length;
    return (await migrations(copy)) === (await migrations(folder));
  } finally {
    await rm(copy, { recursive: true });
  }
}

const [argument = "change"] = process.argv.slice(2);
for (const dialect of DIALECTS) {
  if (argument !== "--check") {
    await generate(dialect, join(root, "drizzle", dialect.name), argument);
  } else if (!(await isCurrent(dialect))) {
    console.error(`drizzle/${dialect.name} is behind src/db/schema/tables.ts: run bun scripts/migrations.ts NAME`);
    process.exitCode = 1;
  }
}
