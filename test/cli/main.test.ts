import { describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { Command } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { elsewhere, HERE } from "../../src/cli/show/elsewhere.ts";
import { COMMANDS } from "../../src/commands.ts";
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

  test("says of a word of another tool what it is here, and no command of ours is one of those", async () => {
    const { code, out, err } = await sinew("status");
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^sinew: there is no command "status": `sinew get nodes` .*`sinew doctor` this host\n$/);
    for (const word of "events ls list show logs drain delete version silence describe-node".split(" "))
      expect([word, elsewhere(word) !== null]).toEqual([word, word !== "describe-node"]);
    for (const name of Object.keys(COMMANDS)) expect([name, elsewhere(name)]).toEqual([name, null]);
    // Each command that it names is one.
    const named = HERE.flatMap(([, here]) => [...here.matchAll(/`sinew (\w+)/g)].map(([, name = ""]) => name));
    expect(named.filter((name) => !Object.hasOwn(COMMANDS, name))).toEqual([]);
  });

  test.each([
    ["get", "edge-15", "`sinew get hardware --node edge-15` lists what a node has, `sinew describe node edge-15`"],
    ["top", "node/edge-15", "`sinew top hardware --node edge-15` lists what a node has, `sinew describe node edge-15`"],
    ["get", "n1/3b:00.0", "`sinew get hardware n1/3b:00.0`?"],
    ["top", "8ec83353", "`sinew describe hardware 8ec83353`?"],
    ["get", "gpus", "`sinew get hardware --type GPU`?"],
    ["get", "windows", "`sinew window list`"],
    ["get", "nodez", "did you mean node or nodes?"],
    ["describe", "n1/3b:00.0", "`sinew describe hardware n1/3b:00.0`?"],
    ["describe", "n1", 'expected hardware or node, found "n1"; `sinew describe node n1`?'],
  ])("%s %s without a kind is told what to type", async (name, said, hint) => {
    const command = new Command(name);
    const { define } = (await COMMANDS[name]?.load()) ?? { define: () => {} };
    define(command);
    await expect(command.parseAsync([said], { from: "user" })).rejects.toThrow(hint);
  });
});
