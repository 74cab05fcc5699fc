import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../../config.ts";
import type { Role } from "../../settings.ts";
import { Exit } from "../exit.ts";
import { acquireLock } from "./lock.ts";
import { inState } from "./node-id.ts";

/** Makes the state directory and takes this role's place in it. Throws Exit 1 where another process has it. */
export async function enterState(config: Config): Promise<{ release(): void }> {
  await inState(config.state, () => mkdir(config.state, { recursive: true, mode: 0o700 }));
  const held: { release(): void }[] = [];
  const release = () => {
    for (const lock of held.splice(0)) lock.release();
  };
  for (const name of lockNames(config.role, config.driver)) {
    const lock = await inState(config.state, () => acquireLock(join(config.state, `${name}.lock`)));
    if ("heldBy" in lock) {
      release();
      const by = lock.heldBy === null ? "" : ` (pid ${lock.heldBy})`;
      throw new Exit(1, `${name} is already running in ${config.state}${by}`);
    }
    held.push(lock);
  }
  return { release };
}

// `all` is a conductor and an agent: neither may run a second time beside it, on the same files.
const lockNames = (role: Role, driver: string | null): string[] =>
  role === "all" ? ["all", "conductor", "agent"] : role === "driver" ? [`driver-${driver}`] : [role];
