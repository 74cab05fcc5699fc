import { homedir, hostname } from "node:os";
import type { HostFacts } from "../../config.ts";
import { driverNames } from "../../drivers/discover.ts";

/** The facts of this host that defaults are made from. */
export const hostFacts = (): HostFacts => ({ uid: process.getuid?.() ?? -1, home: homedir(), cwd: process.cwd() });

/** The hostname as a node's name: a name that could not travel in a hello is none. */
export const hostName = () => (/^[\w.-]{1,253}$/.test(hostname()) ? hostname() : "localhost");

/** The built-in drivers that can run here: none but on Bun, whose FFI they read the bus with. */
export const hostKinds = (): readonly string[] => (typeof Bun === "undefined" ? [] : driverNames);
