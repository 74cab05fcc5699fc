import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { parseDesired } from "./parse.ts";
import type { Rule } from "./rule.ts";
import { lineOfFailure, repeatedKeys } from "./text.ts";

/** A rule is a line or two, and a machine has tens of devices. */
const MAX_BYTES = 256 * 1024;

/** A configuration that can't be used, a line for each thing that is wrong with it. */
export class DesiredError extends Error {
  readonly problems: readonly string[];
  constructor(file: string, problems: readonly string[]) {
    super(problems.map((problem) => `--config ${file}: ${problem}`).join("\n"));
    this.name = "DesiredError";
    this.problems = this.message.split("\n");
  }
}

const PARSERS: Record<string, (text: string) => unknown> = {
  json: (text) => JSON.parse(text),
  toml: (text) => Bun.TOML.parse(text),
  yaml: (text) => Bun.YAML.parse(text),
  yml: (text) => Bun.YAML.parse(text),
};

/** The desired state in a JSON, TOML or YAML file, by its ending. Throws DesiredError. */
export async function readDesired(file: string): Promise<Rule[]> {
  const ending = /\.([a-z]+)$/i.exec(file)?.[1]?.toLowerCase() ?? "";
  const parse = PARSERS[ending];
  if (!parse) throw new DesiredError(file, [`expected a name that ends in .json, .toml, .yaml or .yml`]);
  const text = await readText(file);
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    const line = lineOfFailure(text, parse);
    const where = line === null ? "" : ` (at about line ${line})`;
    throw new DesiredError(file, [`expected ${ending.toUpperCase()}, found what is none: ${oneLine(error)}${where}`]);
  }
  const parsed = parseDesired(document);
  if ("problems" in parsed) throw new DesiredError(file, parsed.problems);
  // What passed has no other keys than ours, and is no deeper than a match.
  const repeated = repeatedKeys(text, document).map(
    ({ key, lines }) => `expected ${key} once in one place, found it more often: look at lines ${lines.join(", ")}`,
  );
  if (repeated.length > 0 && ending !== "toml") throw new DesiredError(file, repeated);
  return parsed.rules;
}

async function readText(file: string): Promise<string> {
  try {
    // Opened without waiting: a pipe in the place of a file would keep us here.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new Error("it is no regular file");
      const bytes = Buffer.alloc(MAX_BYTES + 1);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
      if (bytesRead > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`);
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, bytesRead));
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new DesiredError(file, [`it cannot be read: ${oneLine(error)}`]);
  }
}

function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return (message.split("\n")[0] ?? "").replace(/\p{Cc}/gu, "?").slice(0, 200);
}
