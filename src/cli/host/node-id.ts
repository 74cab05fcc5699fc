import { link, open, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../../config.ts";
import { isUuid } from "../../config-values.ts";
import type { Log } from "../../world.ts";
import { codeOf, Exit, reasonOf } from "../exit.ts";

/** This node's id: the flag, else the file, else a new one written to the file. */
export async function nodeId(config: Pick<Config, "state" | "nodeId">, log: Log): Promise<string> {
  const path = join(config.state, "node-id");
  const kept = await readNodeId(config.state);
  if (kept !== null) {
    if (config.nodeId === null || config.nodeId === kept) return kept;
    log("warn", `this process uses the node id given to it; ${path} holds another and is left as it is`, {
      given: config.nodeId,
      kept,
    });
    return config.nodeId;
  }
  const made = config.nodeId ?? crypto.randomUUID();
  const written = await inState(config.state, () => writeOnce(path, `${made}\n`));
  // An agent and a driver started together both find no file; the first one's id stands.
  return written ? made : nodeId(config, log);
}

/** The id in `<state>/node-id`, null without a file. Throws Exit 1 for anything else in it: it is never overwritten. */
export async function readNodeId(state: string): Promise<string | null> {
  const path = join(state, "node-id");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
    throw new Exit(1, `cannot read ${path}: ${reasonOf(error)}`);
  }
  const id = text.trim().toLowerCase();
  if (isUuid(id)) return id;
  throw new Exit(
    1,
    `${path}: expected one UUID, found something else; put this node's id there, or move the file away to become a new node`,
  );
}

/** True: the file is whole and ours. False: another process made it first. */
export async function writeOnce(path: string, text: string): Promise<boolean> {
  const beside = `${path}.${crypto.randomUUID()}.tmp`;
  const file = await open(beside, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
    // link(2) fails where rename(2) would replace: no reader ever sees half a file, and none is replaced.
    await link(beside, path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  } finally {
    await file.close();
    await unlink(beside);
  }
}

/** Any failure in the state directory is one line. */
export async function inState<T>(state: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Exit(1, `cannot use the state directory ${state}: ${reasonOf(error)}`);
  }
}
