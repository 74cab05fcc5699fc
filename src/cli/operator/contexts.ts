import type { Stats } from "node:fs";
import { mkdir, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { replaceFile } from "../../disk.ts";
import { codeOf, Exit, reasonOf } from "../exit.ts";
import { hostFacts } from "../host/facts.ts";
import { printable } from "../text.ts";

/** A conductor that is kept by a name, and what it is shown: files, never the token itself. Paths are absolute. */
const Context = z.strictObject({
  url: z.string(),
  token: z.string().optional(),
  ca: z.string().optional(),
  client_cert: z.string().optional(),
  client_key: z.string().optional(),
});
export type Context = z.infer<typeof Context>;

/** No name is one of an object's own words, or has to be quoted in a shell. */
const NAME = /^[A-Za-z0-9][\w.-]{0,62}$/;

const Contexts = z.strictObject({
  current: z.string().nullable(),
  contexts: z.record(z.string().regex(NAME), Context),
});
export type Contexts = z.infer<typeof Contexts>;

/** `$XDG_CONFIG_HOME/sinew/contexts.json` */
export function contextsPath(env = process.env): string {
  // The XDG specification says a relative one is invalid and to be ignored.
  const base = env.XDG_CONFIG_HOME?.startsWith("/") ? env.XDG_CONFIG_HOME : `${hostFacts().home}/.config`;
  return `${base}/sinew/contexts.json`;
}

/** Throws Exit 2 where this can be no context's name. */
export function checkedName(name: string): string {
  if (NAME.test(name)) return name;
  throw new Exit(2, `expected a name of letters, digits and . _ -, found ${JSON.stringify(name)}`);
}

/** What is saved; nothing where no file is. Throws Exit 1 where it cannot be believed. */
export async function readContexts(): Promise<Contexts> {
  const path = contextsPath();
  let text: string;
  try {
    refuseOthers(path, await stat(path));
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Exit) throw error;
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return { current: null, contexts: {} };
    throw new Exit(1, `cannot read ${path}: ${reasonOf(error)}`);
  }
  const found = Contexts.safeParse(parsed(text));
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  const where = printable(issue?.path.join(".") || "the file");
  throw new Exit(1, `${path}: ${where}: ${issue?.message}; \`sinew context set\` makes it`);
}

/** Far more than anybody saves. */
const MOST_BYTES = 1024 * 1024;

/** Whoever writes it says where tokens are sent to. Throws Exit 1 where that may be somebody else. */
function refuseOthers(path: string, found: Stats): void {
  if (!found.isFile() || found.size > MOST_BYTES)
    throw new Exit(1, `${path}: expected a file of at most ${MOST_BYTES} bytes; \`sinew context set\` makes it`);
  const own = process.getuid?.();
  if (own !== undefined && found.uid !== own && found.uid !== 0)
    throw new Exit(
      1,
      `${path}: it is another user's; XDG_CONFIG_HOME names a directory of your own, --conductor does without`,
    );
  if (found.mode & 0o022) throw new Exit(1, `${path}: others may write to it; chmod 600 it, and look at what it says`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the schema says what is expected
  }
}

export async function writeContexts(contexts: Contexts): Promise<void> {
  const path = contextsPath();
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await replaceFile(path, `${JSON.stringify(contexts, null, 2)}\n`);
  } catch (error) {
    throw new Exit(1, `cannot write ${path}: ${reasonOf(error)}`);
  }
}

/** The context of this name. Throws Exit 1 naming those there are. */
export function contextNamed({ contexts }: Contexts, name: string): Context {
  const found = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (found) return found;
  const names = Object.keys(contexts);
  const there = names.length > 0 ? `there are ${names.join(", ")}` : "none is saved: `sinew context set`";
  throw new Exit(1, `no context is called ${JSON.stringify(name)}; ${there}`);
}
