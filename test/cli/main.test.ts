import { describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import manifest from "../../package.json" with { type: "json" };
import { cleanEnv, run } from "./run.ts";

const sinew = (...args: string[]) => run(args, cleanEnv(tmpdir()));

describe("sinew", () => {
  test("--version is the package's", async () => {
    expect(await sinew("--version")).toEqual({ code: 0, out: `${manifest.version}\n`, err: "" });
  });

  test.each([[], ["start"], ["scan"], ["snapshot"]])("%s --help has examples", async (...command) => {
    const { code, out, err } = await sinew(...command, "--help");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain("Examples:\n  sinew ");
  });

  test("exits 2 without a command, and for one that there is not with a suggestion", async () => {
    expect((await sinew()).code).toBe(2);
    const { code, out, err } = await sinew("scna");
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain("Did you mean scan?");
  });
});
