import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { makeNodeKey, type NodeKey, readNodeKey } from "../../auth/node-key.ts";
import { newSecret } from "../../auth/token.ts";
import { codeOf, Exit, reasonOf } from "../exit.ts";
import { inState, writeOnce } from "../host/node-id.ts";

/** Whoever may read it may do everything here. */
const TOKEN = "operator.token";
const KEY = "node.key";

/** This node's operator token, made at the first start: its processes and its operators know each other by it. */
export async function operatorToken(state: string): Promise<string> {
  const text = await kept(state, TOKEN, async () => `operator.${newSecret()}\n`);
  return checkedToken(state, text);
}

/** The same where there is one; null where nothing has been started yet. */
export async function readOperatorToken(state: string): Promise<string | null> {
  const text = await readSecret(state, TOKEN);
  return text === null ? null : checkedToken(state, text);
}

function checkedToken(state: string, text: string): string {
  const token = text.trim();
  if (/^operator\.[\w-]{43}$/.test(token)) return token;
  throw new Exit(
    1,
    `${join(state, TOKEN)}: expected an operator token, found something else; without the file a new one is made`,
  );
}

/** The key this node is known by, made at the first start. */
export async function nodeKey(state: string): Promise<NodeKey> {
  const text = await kept(state, KEY, makeNodeKey);
  try {
    return await readNodeKey(text);
  } catch (error) {
    throw new Exit(
      1,
      `${join(state, KEY)}: ${reasonOf(error)}; without the file a new one is made, and the node has to join again`,
    );
  }
}

/** The text of a secret, made where there is none. Two processes that start together use the same one. */
async function kept(state: string, name: string, make: () => Promise<string>): Promise<string> {
  const known = await readSecret(state, name);
  if (known !== null) return known;
  const made = await make();
  const written = await inState(state, () => writeOnce(join(state, name), made));
  return written ? made : kept(state, name, make);
}

async function readSecret(state: string, name: string): Promise<string | null> {
  const path = join(state, name);
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new Exit(1, `${path}: expected a file, found something else`);
    refuseShared(path, found);
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Exit) throw error;
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
    throw new Exit(1, `cannot read ${path}: ${reasonOf(error)}`);
  }
}

/** Throws Exit 1 where others may use the secret at `path`, by the bits of its mode: whoever has an account here has it. */
export function refuseShared(path: string, { mode }: { mode: number }, bits = 0o077): void {
  if (!(mode & bits)) return;
  throw new Exit(
    1,
    `${path}: expected a file that only its owner reads, found mode ${(mode & 0o777).toString(8).padStart(4, "0")}; chmod 600 it, and replace it if others may have read it`,
  );
}
