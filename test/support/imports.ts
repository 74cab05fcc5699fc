import { dirname, join, normalize } from "node:path";

export interface Import {
  /** The file it stands in, from the root: `src/cli/scan.ts`. */
  from: string;
  /** A file from the root, or a package or built-in as written: `zod`, `node:fs`. */
  to: string;
  /** Erased before the program runs. */
  typeOnly: boolean;
  /** `import(...)`: loads when it is reached. */
  dynamic: boolean;
}

const STATEMENT = /^(?:import|export)\s+(type\s+)?(?:([\w*{][^;"']*?)\s+from\s+)?["']([^"']+)["']/gm;
const DYNAMIC = /(?<!typeof )\bimport\(\s*["']([^"']+)["']/g;
const COMMENT = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm;

/** The imports of one file's text: static and dynamic ones, those of types among them. */
export function importsOf(from: string, source: string): Import[] {
  const text = source.replace(COMMENT, "");
  const to = (specifier: string) => (specifier.startsWith(".") ? normalize(join(dirname(from), specifier)) : specifier);
  return [
    ...Array.from(text.matchAll(STATEMENT), ([, type, names, specifier]) => ({
      from,
      to: to(specifier ?? ""),
      typeOnly: type !== undefined || onlyTypes(names),
      dynamic: false,
    })),
    ...Array.from(text.matchAll(DYNAMIC), ([, specifier]) => ({
      from,
      to: to(specifier ?? ""),
      typeOnly: false,
      dynamic: true,
    })),
  ];
}

/** `{ type A, type B }`, which verbatimModuleSyntax keeps as an empty import: the linter asks for `import type`. */
const onlyTypes = (names: string | undefined) =>
  names?.startsWith("{") === true &&
  names
    .replace(/[{}]/g, "")
    .split(",")
    .filter((name) => name.trim())
    .every((name) => name.trim().startsWith("type "));

/** Every file reached from `start` by what `follow` keeps, with the way there. */
export function reach(
  start: string,
  imports: readonly Import[],
  follow: (one: Import) => boolean,
): Map<string, string[]> {
  const byFile = Map.groupBy(imports.filter(follow), (one) => one.from);
  const ways = new Map([[start, [start]]]);
  for (const [file, way] of ways) {
    for (const { to } of byFile.get(file) ?? []) if (!ways.has(to)) ways.set(to, [...way, to]);
  }
  return ways;
}
