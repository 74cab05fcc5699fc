import { homedir, hostname, userInfo } from "node:os";
import type { HostFacts } from "../../config.ts";
import { driverNames } from "../../drivers/discover.ts";

/** The facts of this host that defaults are made from. */
export const hostFacts = (): HostFacts => ({ uid: process.getuid?.() ?? -1, home: homedir(), cwd: process.cwd() });

/** The hostname as a node's name: a name that could not travel in a hello is none. */
export const hostName = () => (/^[\w.-]{1,253}$/.test(hostname()) ? hostname() : "localhost");

/** `ada@c1`: who types, whatever sudo made of them; null where the system does not say. */
export function userName(): string | null {
  try {
    const { username, uid } = userInfo();
    // Bun goes by the environment, and says so of one that a service has not.
    const name = username === "unknown" || username === "" ? (uid === 0 ? "root" : `uid${uid}`) : username;
    return `${process.env.SUDO_USER || name}@${hostName()}`;
  } catch {
    return null; // a user without a name, or a runtime that may not ask
  }
}

/** The built-in drivers that can run here: none but on Bun, whose FFI they read the bus with. */
export const hostKinds = (): readonly string[] => (typeof Bun === "undefined" ? [] : driverNames);
