// Preloaded before a simulation: changes one line of the program, named by SINEW_MUTATION, to prove that it is missed.
import { readFileSync } from "node:fs";
import { MUTATIONS } from "./mutations.ts";

const name = process.env.SINEW_MUTATION ?? "";
const mutation = MUTATIONS[name];
if (!mutation) throw new Error(`SINEW_MUTATION: expected one of ${Object.keys(MUTATIONS).join(", ")}, got ${name}`);

Bun.plugin({
  name: "mutation",
  setup(build) {
    build.onLoad({ filter: new RegExp(`${mutation.file.replaceAll(".", "\\.")}$`) }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      if (text.split(mutation.from).length !== 2)
        throw new Error(`${mutation.file}: expected this once, which a mutation changes: ${mutation.from}`);
      return { contents: text.replace(mutation.from, mutation.to), loader: "ts" };
    });
  },
});
