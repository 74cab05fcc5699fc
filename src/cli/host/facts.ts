import { homedir, hostname } from "node:os";
import type { HostFacts } from "../../config.ts";

/** The facts of this host that defaults are made from. */
export const hostFacts = (): HostFacts => ({ uid: process.getuid?.() ?? -1, home: homedir(), cwd: process.cwd() });

/** The hostname as a node's name: a name that could not travel in a hello is none. */
export const hostName = () => (/^[\w.-]{1,253}$/.test(hostname()) ? hostname() : "localhost");
