import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { importsOf, reach } from "./support/imports.ts";

// The tree is read as it is: a folder that does not exist yet breaks no rule.
const root = join(import.meta.dir, "..");
const files = [...new Bun.Glob("src/**/*.ts").scanSync(root)].sort();
const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));
const imports = files.flatMap((file) => importsOf(file, sources.get(file) ?? ""));
const statically = imports.filter((one) => !one.dynamic && !one.typeOnly);

const folderOf = (path: string) => path.split("/")[1] ?? "";
const isFile = (path: string) => path.startsWith("src/");
const isHostModule = (path: string) => /^(bun|node):/.test(path) || path === "bun";
const show = (found: readonly { from: string; to: string }[]) => found.map(({ from, to }) => `${from} -> ${to}`);

/** What a folder of src may import besides itself (DESIGN.md, section 3). The files of src itself: `src/NAME.ts`. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  contract: [],
  ffi: [],
  pci: ["contract", "ffi"],
  // Of world.ts the shapes of a store and a log, for what is known of the devices' past.
  drivers: ["contract", "pci", "world.ts"],
  db: ["contract", "auth", "world.ts"],
  client: ["contract", "world.ts"],
  metrics: ["contract", "db", "tiers", "world.ts"],
  auth: ["contract", "world.ts"],
  tiers: ["contract", "pci", "drivers", "db", "client", "auth", "world.ts"],
  routes: ["contract", "tiers", "auth", "metrics", "world.ts"],
  // The built-in drivers and the bus that they share: put together of what is below, and kept true while it runs.
  live: ["contract", "ffi", "pci", "drivers", "tiers", "create", "setup", "world.ts"],
  // The built-in drivers' care of devices: of the tiers it takes the types that it implements.
  setup: ["contract", "ffi", "pci", "drivers", "tiers", "disk.ts", "world.ts"],
  // It knows an implementation by what it answers alone.
  conform: ["contract", "client", "serve.ts", "world.ts"],
};

describe("imports", () => {
  test.each(Object.entries(MAY_IMPORT))("src/%s imports only what lies below it", (folder, below) => {
    const wrong = imports.filter(
      ({ from, to }) => folderOf(from) === folder && isFile(to) && ![folder, ...below].includes(folderOf(to)),
    );
    // The typed client's type is the chain of routes itself; nothing of it is left when the program runs.
    const typedClient = wrong.filter((one) => folder === "client" && one.typeOnly && folderOf(one.to) === "routes");
    expect(show(wrong.filter((one) => !typedClient.includes(one)))).toEqual([]);
  });

  test("src/contract imports zod and no other package", () => {
    expect(
      show(imports.filter(({ from, to }) => folderOf(from) === "contract" && !isFile(to) && to !== "zod")),
    ).toEqual([]);
  });

  test("src/pci takes types alone from the contract", () => {
    const values = imports.filter(
      (one) => folderOf(one.from) === "pci" && folderOf(one.to) === "contract" && !one.typeOnly,
    );
    expect(show(values)).toEqual([]);
  });

  test("src/pci and src/drivers import no package", () => {
    const packages = imports.filter(
      ({ from, to }) => ["pci", "drivers"].includes(folderOf(from)) && !isFile(to) && !isHostModule(to),
    );
    expect(show(packages)).toEqual([]);
  });

  test("src/tiers knows no HTTP framework", () => {
    expect(show(imports.filter(({ from, to }) => folderOf(from) === "tiers" && /hono/.test(to)))).toEqual([]);
  });

  test("dlopen stands in src/ffi alone", () => {
    const callers = files.filter(
      (file) => folderOf(file) !== "ffi" && /\bdlopen\b|bun:ffi/.test(sources.get(file) ?? ""),
    );
    expect(callers).toEqual([]);
  });

  test("bun: and node: modules are imported statically in src/ffi, src/db, src/cli, src/setup, disk, main and serve alone", () => {
    // setup writes to a host's sysfs, and disk to its disk: neither has a meaning elsewhere, and no worker reaches them.
    const allowed = ["ffi", "db", "cli", "setup", "disk.ts", "main.ts", "serve.ts"];
    const wrong = statically.filter(({ from, to }) => isHostModule(to) && !allowed.includes(folderOf(from)));
    expect(show(wrong)).toEqual([]);
  });

  test("what src/worker.ts reaches statically imports no bun: or node: module", () => {
    const ways = reach("src/worker.ts", statically, () => true);
    expect([...ways].filter(([to]) => isHostModule(to)).map(([, way]) => way.join(" -> "))).toEqual([]);
  });

  test("the command line's scan reaches neither hono, drizzle nor zod", () => {
    const ways = reach("src/cli/scan.ts", imports, (one) => !one.typeOnly);
    expect([...ways].filter(([to]) => /hono|drizzle|^zod$/.test(to)).map(([, way]) => way.join(" -> "))).toEqual([]);
  });

  test("no file reaches itself", () => {
    const cycles = files.filter((file) => {
      const ways = reach(file, statically, ({ to }) => isFile(to));
      return statically.some(({ from, to }) => to === file && ways.has(from));
    });
    expect(cycles).toEqual([]);
  });

  test("importsOf() tells types, values and dynamic imports apart", () => {
    const source = [
      'import type { A } from "./a.ts";',
      'import { type B, b } from "../b.ts";',
      'import {\n  type C,\n} from "zod";',
      'export { d } from "./d.ts";',
      'import "node:fs";',
      '// import { x } from "./x.ts";',
      'const e = await import("./e.ts");',
    ].join("\n");
    expect(importsOf("src/cli/f.ts", source).map(({ to, typeOnly, dynamic }) => [to, typeOnly, dynamic])).toEqual([
      ["src/cli/a.ts", true, false],
      ["src/b.ts", false, false],
      ["zod", true, false],
      ["src/cli/d.ts", false, false],
      ["node:fs", false, false],
      ["src/cli/e.ts", false, true],
    ]);
  });
});

describe("the tree", () => {
  test("no folder of src has more than 12 files", () => {
    const folders = Map.groupBy(files, (file) => dirname(file));
    expect(
      [...folders].filter(([, inside]) => inside.length > 12).map(([folder, { length }]) => `${folder}: ${length}`),
    ).toEqual([]);
  });

  test("no file of src has more than 300 lines", () => {
    const long = [...sources]
      .map(([file, text]) => ({ file, lines: text.split("\n").length - 1 }))
      .filter(({ lines }) => lines > 300);
    expect(long).toEqual([]);
  });
});
