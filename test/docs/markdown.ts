import { readFileSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dir, "../..");

export interface Block {
  /** Of its first line, from 1. */
  line: number;
  language: string;
  lines: string[];
}

export interface Page {
  /** Below the root: `docs/fleet.md`. */
  path: string;
  text: string;
  blocks: Block[];
  /** The text outside of fenced blocks. */
  prose: string;
}

/** The documents of this repository. */
export const pages: readonly Page[] = ["*.md", "docs/**/*.md"]
  .flatMap((pattern) => [...new Bun.Glob(pattern).scanSync(root)])
  .sort()
  .map(readPage);

export function page(path: string): Page {
  const found = pages.find((one) => one.path === path);
  if (!found) throw new Error(`there is no ${path}`);
  return found;
}

function readPage(path: string): Page {
  const text = readFileSync(join(root, path), "utf8");
  const blocks: Block[] = [];
  const prose: string[] = [];
  let open: Block | null = null;
  text.split("\n").forEach((line, index) => {
    const fence = /^```(\w*)$/.exec(line);
    if (!fence) {
      (open ? open.lines : prose).push(line);
    } else if (open) {
      blocks.push(open);
      open = null;
    } else {
      open = { line: index + 2, language: fence[1] ?? "", lines: [] };
    }
  });
  if (open) throw new Error(`${path}: a fenced block is not closed`);
  return { path, text, blocks, prose: prose.join("\n") };
}

/** Targets of links and images, without those to other sites. */
export const localLinks = ({ prose }: Page): string[] =>
  [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = ""]) => to).filter((to) => !/^[a-z]+:/.test(to));

/** The anchors that GitHub makes of the headings. */
export const anchors = ({ prose }: Page): string[] =>
  [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );

/** Code in running text. */
export const inlineCode = ({ prose }: Page): string[] =>
  [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);

/** The rows below the header that begins with `first`, cells trimmed; a `\|` is a bar in a cell. */
export function table({ path, prose }: Page, first: string): string[][] {
  const lines = prose.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${first} |`));
  if (start < 0) throw new Error(`${path} has no table that begins with ${first}`);
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  return lines.slice(start + 2, end).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("\\|", "|")),
  );
}

export interface Step {
  line: number;
  command: string;
  /** What the page shows of its output; null: nothing, and it only has to succeed. */
  output: string | null;
  /** `<!-- test: SIGKILL 2 -->` before its block: what happens to the second process started on the page. */
  before: { signal: string; process: number } | null;
}

/** What a page's source says to the tests right above a block, unseen by its readers: `<!-- KIND: TEXT -->`. */
const saidAbove = (lines: string[], { line }: Block, kind: string): string | null =>
  new RegExp(`^<!-- ${kind}: (.+) -->$`).exec(lines[line - 3] ?? "")?.[1] ?? null;

/**
 * The commands of a page's `console` blocks, each with the output shown below it, and of its `sh` blocks. What those need that
 * the page does not show, such as a fleet to ask, is said above them as `<!-- first: COMMAND -->`; why those of one are not run
 * as `<!-- not run: WHY -->`.
 */
export function steps(of: Page): Step[] {
  const lines = of.text.split("\n");
  return of.blocks.flatMap((block) => {
    if (whyNotRun(of, block) !== null) return [];
    if (block.language === "console")
      return shownSteps(block, /^(SIG\w+) (\d)$/.exec(saidAbove(lines, block, "test") ?? ""));
    if (block.language !== "sh") return [];
    const first = saidAbove(lines, block, "first")?.split("; ") ?? [];
    return [...first, ...joined(block)].map((command) => ({ line: block.line, command, output: null, before: null }));
  });
}

/** Why the commands of a block are not run; null: they are. */
export const whyNotRun = (of: Page, block: Block): string | null => saidAbove(of.text.split("\n"), block, "not run");

function shownSteps(block: Block, marker: RegExpExecArray | null): Step[] {
  const found: Step[] = [];
  let before: Step["before"] = marker ? { signal: marker[1] ?? "", process: Number(marker[2]) } : null;
  let current: { line: number; command: string; output: string; before: Step["before"] } | null = null;
  block.lines.forEach((line, index) => {
    if (line.startsWith("$ ")) {
      current = { line: block.line + index, command: line.slice(2), output: "", before };
      before = null;
      found.push(current);
    } else if (current?.command.endsWith("\\") && current.output === "") {
      current.command = `${current.command.slice(0, -1)}${line.trim()}`;
    } else if (current) {
      current.output += `${line}\n`;
    }
  });
  return found;
}

/** The lines of a script, those that go on joined. */
const joined = ({ lines }: Block): string[] =>
  lines
    .join("\n")
    .replace(/\\\n\s*/g, "")
    .split("\n");

/** Every command line that a page shows: of `sh` and `console` blocks, and what units run. */
export function commandLines(of: Page): string[] {
  const scripts = of.blocks.filter(({ language }) => language === "sh").flatMap(joined);
  const units = of.blocks.flatMap(({ lines }) => lines.map((line) => /^ExecStart=(.*)$/.exec(line)?.[1] ?? ""));
  const shown = of.blocks.filter(({ language }) => language === "console").flatMap((block) => shownSteps(block, null));
  return [...shown.map(({ command }) => command), ...scripts, ...units];
}
