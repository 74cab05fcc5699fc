import { readFile } from "node:fs/promises";
import type { ExpectedNode } from "../../contract/fleet/expected.ts";
import { Exit, reasonOf } from "../exit.ts";

/** A list of nodes, and where in the file each stands, for what is said of it. */
export interface NodesFile {
  nodes: ExpectedNode[];
  /** `FILE:3` or `FILE: /nodes/3` */
  where(index: number): string;
}

/**
 * Reads nodes that are to be there: JSON as `PUT /nodes/expected` takes it where the file's name ends so, else a line each:
 * the name, an id where it is known, labels as NAME=VALUE; `#` begins a comment. Throws Exit naming line or field.
 */
export async function readNodes(file: string): Promise<NodesFile> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new Exit(1, `cannot read ${file}: ${reasonOf(error)}`);
  }
  const parsed = file.endsWith(".json") ? fromJson(file, text) : fromLines(file, text);
  const { ExpectNodes } = await import("../../contract/fleet/expected.ts");
  const checked = ExpectNodes.safeParse({ nodes: parsed.nodes });
  if (checked.success) return { ...parsed, nodes: checked.data.nodes };
  const problems = checked.error.issues.slice(0, 20).map(({ path: [, index, ...field], message, ...issue }) => {
    const at = typeof index === "number" ? parsed.where(index) : file;
    return `${at}: ${field.length > 0 ? `${field.map(String).join(".")}: ` : ""}${twice(issue, parsed) ?? message}`;
  });
  throw new Exit(2, `nothing was changed:\n  ${problems.join("\n  ")}`);
}

/** What is said of a name or id that stands there twice: where else, as the file has it. */
function twice(issue: object, { where }: NodesFile): string | null {
  if (!("params" in issue)) return null;
  const { once, found, before } = issue.params as { once?: string; found?: string; before?: number };
  return before === undefined ? null : `expected each ${once} once, got ${found}, which ${where(before)} has, too`;
}

function fromJson(file: string, text: string): NodesFile {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new Exit(2, `${file}: expected JSON: ${reasonOf(error)}`);
  }
  const nodes = Array.isArray(document) ? document : (document as { nodes?: unknown } | null)?.nodes;
  if (!Array.isArray(nodes)) throw new Exit(2, `${file}: expected {"nodes": [{"name": ...}]}`);
  return { nodes, where: (index) => `${file}: /nodes/${index}` };
}

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function fromLines(file: string, text: string): NodesFile {
  const lines: number[] = [];
  const nodes: ExpectedNode[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const [name, ...rest] = line
      .replace(/(^|\s)#.*$/, "")
      .split(/\s+/)
      .filter(Boolean);
    if (name === undefined) continue;
    const node: ExpectedNode = { name };
    for (const word of rest) {
      const [, label, value] = /^([^=]+)=(.*)$/.exec(word) ?? [];
      if (label !== undefined && value !== undefined) node.labels = { ...node.labels, [label]: value };
      else if (ID.test(word) && node.id === undefined) node.id = word;
      else
        throw new Exit(2, `${file}:${index + 1}: expected NAME [ID] [LABEL=VALUE...], found ${JSON.stringify(word)}`);
    }
    lines.push(index + 1);
    nodes.push(node);
  }
  return { nodes, where: (index) => `${file}:${lines[index]}` };
}
