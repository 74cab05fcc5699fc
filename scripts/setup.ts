// Runs before `start`, `test` and the other scripts, in a clone where nothing may be installed yet: so it imports
// nothing from node_modules. A stamp with the lockfile's digest makes it do nothing the next time.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const modules = join(root, "node_modules");
const stamp = join(modules, ".sinew-lockfile");

const digest = createHash("sha256")
  .update(readFileSync(join(root, "bun.lock")))
  .update(readFileSync(join(root, "package.json")))
  .digest("hex");
const installed = existsSync(stamp) ? readFileSync(stamp, "utf8") : null;

// A service must start what was deployed, not what a registry answers today.
if (process.env.NODE_ENV !== "production" && installed !== digest) {
  // stdout belongs to the script that follows: `sinew scan --json` is piped into programs.
  const { exitCode } = Bun.spawnSync([process.execPath, "install", "--frozen-lockfile"], {
    cwd: root,
    stdin: "ignore",
    stdout: 2,
    stderr: 2,
  });
  if (exitCode !== 0) {
    console.error("sinew: the dependencies could not be installed");
    process.exit(1);
  }
  writeFileSync(stamp, digest);
}
