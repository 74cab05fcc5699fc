import { describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { COMMANDS } from "../../../src/commands.ts";
import { lines, run } from "../../cli/run.ts";
import { type Fleet, GPU, QAT, useFleet } from "../../support/fleet.ts";

let fleet: Fleet;
/** What may be typed in the place of the last word, without what it is. */
async function complete(...words: string[]): Promise<string[]> {
  const { code, out, err } = await run(["complete", "--deadline", "20000", "--", ...words], fleet.env);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return lines(out).map((line) => line.split("\t")[0] ?? "");
}

useFleet(async (begun) => {
  fleet = begun;
  const token = join(fleet.home, "viewer.token");
  writeFileSync(token, (await fleet.type("token", "create", "--role", "viewer")).out, { mode: 0o600 });
  await run(["context", "set", "prod", "--conductor", fleet.conductor().url, "--token", token], fleet.env);
});

test("commands are those of the program, each with what it does", async () => {
  const { out } = await run(["complete", "--", ""], fleet.env);
  const shown = Object.entries(COMMANDS).filter(([, { hidden }]) => !hidden);
  for (const [name, { summary }] of shown) expect(out).toContain(`${name}\t${summary}\n`);
  expect(out).not.toContain("what may be typed next");
  expect(await complete("des")).toEqual(["describe"]);
  expect(await complete("get", "")).toEqual(["hardware", "nodes", "sources", "alarms", "operations", "changes"]);
  expect(await complete("token", "c")).toEqual(["create"]);
});

test("options are those of the command, and their words those that it takes", async () => {
  expect(await complete("get", "hw", "--re")).toEqual(["--ready"]);
  expect(await complete("get", "hardware", "--ready", "t")).toEqual(["true"]);
  expect(await complete("get", "hardware", "--ready=f")).toEqual(["--ready=false"]);
  expect(await complete("get", "nodes", "-o", "")).toEqual(["table", "wide", "json", "yaml", "name"]);
  expect(await complete("get", "nodes", "--token", "")).toEqual([":files"]);
  expect(await complete("snapshot", "--nosuch", "x", "")).toEqual([""]);
  // A hidden option is for those who know it.
  expect(await complete("get", "nodes", "--ur")).toEqual([""]);
});

test("names and ids are asked of the conductor that is meant", async () => {
  expect((await complete("describe", "node", "n")).toSorted()).toEqual(["n1", "n2", "n3"]);
  expect((await complete("get", "hardware", "--node", "n")).toSorted()).toEqual(["n1", "n2", "n3"]);
  expect((await complete("get", "hardware", "n1/")).toSorted()).toEqual([`n1/${QAT}`, `n1/${GPU}`]);
  const [{ uuid = "" } = {}] = (await fleet.json("get", "hardware", `n1/${QAT}`)).hardware;
  expect(await complete("describe", "hardware", uuid.slice(0, 6))).toEqual([uuid]);
  expect((await complete("cordon", "n1", "n")).toSorted()).toEqual(["n1", "n2", "n3"]);
  expect(await complete("uncordon", "n1/0000:3")).toEqual([`n1/${QAT}`]);
  expect((await complete("label", "node", "n")).toSorted()).toEqual(["n1", "n2", "n3"]);
  expect(await complete("wait", "")).toEqual(["hardware/", "node/"]);
  expect(await complete("wait", "node/n1", "--for", "l")).toEqual(["live"]);
  expect(await complete("wait", "hardware/n1/0000:3")).toEqual([`hardware/n1/${QAT}`]);
  expect(await complete("get", "nodes", "--context", "")).toEqual(["prod"]);
  expect((await complete("describe", "node", "--state", fleet.state, "n")).toSorted()).toEqual(["n1", "n2", "n3"]);
});

test("where nobody answers, nothing is said", async () => {
  expect(await complete("describe", "node", "--conductor", "http://127.0.0.1:1", "")).toEqual([""]);
  expect(await complete("nosuch", "")).toEqual([""]);
  const silent = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Promise<Response>(() => {}) });
  const words = ["complete", "--deadline", "300", "--", "describe", "node", "--context", "prod", "--conductor"];
  expect(await run([...words.slice(0, -3), "--conductor", silent.url.origin, ""], fleet.env)).toEqual({
    code: 0,
    out: "",
    err: "",
  });
  await silent.stop(true);
});

/** Asks a shell for what it completes after a line. */
const SHELLS: Record<string, (line: string, script: string) => string[]> = {
  bash: (line, script) => [
    "bash",
    "--norc",
    "-c",
    `source ${script}
COMP_LINE=$1 COMP_POINT=\${#1} COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
compopt() { echo "compopt $*"; }
_sinew
printf '%s\\n' "\${COMPREPLY[@]}"`,
    "bash",
    line,
  ],
  fish: (line, script) => ["fish", "--no-config", "-c", `source ${script}; complete -C ${JSON.stringify(line)}`],
  // Its completion works in a terminal alone; what the script hands to it is what counts.
  zsh: (line, script) => [
    "zsh",
    "-f",
    "-c",
    `compdef() { : }
compadd() { print -l -- "$candidates[@]" }
_files() { print files }
source ${script}
words=("\${(@s: :)1}") CURRENT=$#words
_sinew`,
    "zsh",
    line,
  ],
};

describe.each(Object.keys(SHELLS))("%s", (shell) => {
  const there = Bun.which(shell) !== null;
  test.if(there)("completes commands, addresses behind their colons, and files", async () => {
    const bin = join(fleet.home, shell);
    mkdirSync(bin, { recursive: true });
    const main = new URL("../../../src/main.ts", import.meta.url).pathname;
    symlinkSync(main, join(bin, "sinew"));
    const script = join(fleet.home, `completion.${shell}`);
    writeFileSync(script, (await run(["completion", shell], fleet.env)).out);
    const path = `${bin}:${join(process.execPath, "..")}:${fleet.env.PATH}`;
    const ask = async (line: string) => {
      const command = SHELLS[shell]?.(line, script) ?? [];
      const child = Bun.spawn(command, {
        env: { ...fleet.env, PATH: path },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
      return `${out}${err}`;
    };
    expect(await ask("sinew descr")).toContain("describe");
    const nodes = await ask("sinew describe node ");
    for (const name of ["n1", "n2", "n3"]) expect(nodes).toContain(name);
    const address = await ask("sinew get hardware n1/0000:3b");
    expect(address).toContain(shell === "bash" ? "3b:00.0" : QAT);
    if (shell === "bash") expect(address).not.toContain("n1/");
    if (shell === "bash") expect(await ask("sinew get hardware --token ")).toContain("compopt -o default");
  });
});

test("a shell that there is none for is bad usage", async () => {
  expect(await run(["completion", "tcsh"], fleet.env)).toMatchObject({
    code: 2,
    err: expect.stringContaining("bash, zsh, fish"),
  });
});
