import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Role } from "../../settings.ts";
import { codeOf } from "../exit.ts";
import { replaceFile } from "../store.ts";

/** Where a running tier of this node is, for the commands of its operator: `<state>/<role>.url`. */
const path = (state: string, role: string) => join(state, `${role}.url`);
/** A driver is asked nothing by an operator's command; `all` is a conductor first. */
const nameOf = (role: Role) => (role === "all" ? "conductor" : role);

interface Started {
  state: string;
  role: Role;
}

export async function writeAddress({ state, role }: Started, url: string): Promise<void> {
  if (role !== "driver") await replaceFile(path(state, nameOf(role)), `${url}\n`);
}

export async function removeAddress({ state, role }: Started): Promise<void> {
  if (role !== "driver") await rm(path(state, nameOf(role)), { force: true });
}

/** Null where no such tier is running, or has not said so. */
export async function readAddress(state: string, role: string): Promise<string | null> {
  try {
    return (await readFile(path(state, role), "utf8")).trim();
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
    throw error;
  }
}
