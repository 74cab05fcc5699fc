import { fileURLToPath } from "node:url";

/** The npm package with this platform's binary, a dependency of `deno`, whose install script need not run. */
const PACKAGE = `@deno/${process.platform}-${process.arch}${process.platform === "linux" ? "-glibc" : ""}`;

/** Deno's binary, null where this platform has none. */
export const denoPath: string | null = (() => {
  try {
    return fileURLToPath(import.meta.resolve(`${PACKAGE}/deno`));
  } catch {
    return null;
  }
})();
