import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseEndpoint } from "../../client/endpoint.ts";
import { replaceFile } from "../../disk.ts";
import type { Role } from "../../settings.ts";
import { codeOf, Exit, reasonOf } from "../exit.ts";

/** Where a running tier of this node is, for the commands of its operator: `<state>/<role>.url`. */
const path = (state: string, role: string) => join(state, `${role}.url`);
const caPath = (state: string, role: string) => join(state, `${role}.ca.crt`);
/** A driver is asked nothing by an operator's command; `all` is a conductor first. */
const nameOf = (role: Role) => (role === "all" ? "conductor" : role);

interface Started {
  state: string;
  role: Role;
}

/** `ca`: the CA (PEM) that signed its certificate; null: none that is known. */
export async function writeAddress({ state, role }: Started, url: string, ca: string | null): Promise<void> {
  if (role === "driver") return;
  if (ca !== null) await replaceFile(caPath(state, nameOf(role)), ca);
  await replaceFile(path(state, nameOf(role)), `${url}\n`);
}

export async function removeAddress({ state, role }: Started): Promise<void> {
  if (role === "driver") return;
  await rm(path(state, nameOf(role)), { force: true });
  await rm(caPath(state, nameOf(role)), { force: true });
}

/** Null where no such tier is running, or has not said so. Throws Exit where what is there is no address. */
export async function readAddress(state: string, role: string): Promise<string | null> {
  const text = await readText(path(state, role));
  if (text === null) return null;
  try {
    parseEndpoint(text);
    return text;
  } catch {
    throw new Exit(1, `${path(state, role)}: expected where a tier is, found something else; each start writes it`);
  }
}

/** The CA (PEM) of the tier that runs there; null: none that is known. */
export const readAuthority = (state: string, role: string) => readText(caPath(state, role));

async function readText(file: string): Promise<string | null> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
    throw new Exit(1, `cannot read ${file}: ${reasonOf(error)}`);
  }
}
