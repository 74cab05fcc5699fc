import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { Command } from "commander";
import { formatJoinToken } from "../../src/auth/join-token.ts";
import { COMMANDS } from "../../src/commands.ts";
import { ConfigError, parseConfig } from "../../src/config.ts";
import { PROBLEMS } from "../../src/contract/problem.ts";
import { driverNames } from "../../src/drivers/discover.ts";
import { SETTINGS } from "../../src/settings.ts";
import { assignment, curlRequest, SHORTENED, sinewArguments, words } from "./command.ts";
import {
  anchors,
  commandLines,
  inlineCode,
  localLinks,
  page,
  pages,
  root,
  steps,
  table,
  whyNotRun,
} from "./markdown.ts";
import { isRun, isShown, Session } from "./session.ts";

/** Options of every command, and of Deno. */
const ELSEWHERE = new Set(["--help", "--version", "--host"]);

/** What stands in the place of a join token that a page shortens or calls TOKEN. */
const JOIN_TOKEN = formatJoinToken({
  url: "https://conductor.example:1336",
  ca: null,
  name: "conductor",
  credential: `${"0".repeat(12)}.${"A".repeat(43)}`,
});
const whole = (line: string) => line.replace(SHORTENED, JOIN_TOKEN).replace(/(?<=--join )("?\$?TOKEN"?)/, JOIN_TOKEN);

/** The commands as the program has them, with their options and without what they do. */
async function commandNamed(name: string): Promise<Command | null> {
  const module = Object.hasOwn(COMMANDS, name) ? await COMMANDS[name]?.load() : undefined;
  if (!module?.define) return null;
  const command = new Command(name).exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  module.define(command);
  for (const one of command.commands) one.action(() => {});
  return command.commands.length > 0 ? command : command.action(() => {});
}

const optionsOf = (command: Command | null): (string | undefined)[] =>
  command ? [command, ...command.commands].flatMap(({ options }) => options.map(({ long }) => long)) : [];

/** What is wrong with these arguments; null: the program takes them. */
async function complaint([name = "", ...rest]: string[]): Promise<string | null> {
  if (name.startsWith("-")) return ["--help", "--version"].includes(name) ? null : `there is no option ${name}`;
  const command = await commandNamed(name);
  if (!command) return `there is no command ${name}`;
  if (rest.includes("--help")) return null;
  try {
    command.parse(rest, { from: "user" });
    if (name !== "start") return null;
    const given = command.opts();
    const flags = Object.fromEntries(
      command.options.map((option) => [option.long?.slice(2) ?? "", given[option.attributeName()]]),
    );
    parseConfig({ flags, env: {}, host: { uid: 1000, home: "/home/user", cwd: "/" }, kinds: driverNames });
    return null;
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join("; ");
    return error instanceof Error ? error.message : String(error);
  }
}

describe.each(pages.map((one) => [one.path, one] as const))("%s", (path, of) => {
  test("links only to what is there", () => {
    const broken = localLinks(of).filter((to) => {
      const [file = "", anchor] = to.split("#");
      const target = file === "" ? path : join(dirname(path), file);
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !anchors(page(target)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  test("shows only commands that the program takes", async () => {
    const wrong: string[] = [];
    for (const line of commandLines(of)) {
      const set = assignment(line);
      const args = sinewArguments(whole(set && "command" in set ? set.command : line));
      const why = args ? await complaint(args) : null;
      if (why !== null) wrong.push(`${line}: ${why}`);
    }
    expect(wrong).toEqual([]);
  });

  test("has its commands run, or says why they are not", () => {
    const silent = steps(of).filter(
      ({ command, output }) => !isRun(command) && (output === null || sinewArguments(command) !== null),
    );
    expect(silent.map(({ line, command }) => `${path}:${line} ${command}`)).toEqual([]);
    const reasons = of.blocks.map((block) => whyNotRun(of, block) ?? "");
    const named = reasons.flatMap((why) => why.match(/\b(test|docs)\/[\w./-]+/g) ?? []);
    expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  test("names only options and commands that there are", async () => {
    const commands = await Promise.all(Object.keys(COMMANDS).map(commandNamed));
    const known = new Set(commands.flatMap(optionsOf));
    // Not messages, which go on after a colon.
    const named = inlineCode(of).filter((code) => /^(--[a-z]|sinew )/.test(code) && !code.includes(":"));
    const wrong = named.filter((code) => {
      const [first = "", second = ""] = words(code);
      const command = first === "sinew" && !second.startsWith("-") && !/^ROLE|^all$/.test(second);
      const called = commands.find((one) => one?.name() === second);
      if (command && !called) return true;
      const [, , third] = words(code);
      if (third && called?.commands.length && !called.commands.some((one) => one.name() === third)) return true;
      return words(code).some((word) => /^--[a-z]/.test(word) && !known.has(word) && !ELSEWHERE.has(word));
    });
    expect(wrong).toEqual([]);
  });

  test("names nothing of the machine it was written on", () => {
    // Where the clone lies, and a home directory; /tmp and /run are everybody's.
    const own = [`${join(root, "..")}/`, `${homedir()}/`].filter((path) => path.length > 2 && path !== "/tmp/");
    for (const path of own) expect([path, of.text.includes(path)]).toEqual([path, false]);
  });

  test("names variables that there are", () => {
    const ofTheLab = ["SINEW_LAB_KERNEL", "SINEW_LAB_ACCEL"];
    const known = [...SETTINGS.map(({ env }) => env), ...ofTheLab, "SINEW_"];
    expect([...new Set(of.text.match(/SINEW_[A-Z_]*/g))].filter((name) => !known.includes(name))).toEqual([]);
  });
});

describe("docs/service.md", () => {
  test("has every setting of start, in the program's words", () => {
    expect(table(page("docs/service.md"), "variable")).toEqual(
      SETTINGS.map(({ env, flag, value, roles, help }) => [
        `\`${env}\``,
        value === null ? `\`--${flag}\`` : `\`--${flag} ${value}\``,
        roles.join(", "),
        help,
      ]),
    );
  });
});

describe("docs/api.md", () => {
  test("has every problem code with its status and title", () => {
    expect(table(page("docs/api.md"), "code").map((row) => row.slice(0, 3))).toEqual(
      Object.entries(PROBLEMS).map(([code, [status, title]]) => [`\`${code}\``, String(status), title]),
    );
  });
});

describe("docs/decisions", () => {
  test("each have a number of their own, and their heading in the list, in that order", () => {
    const records = pages.filter(({ path }) => /^docs\/decisions\/\d/.test(path));
    const list = page("docs/decisions/README.md").text;
    const numbers = records.map(({ path }) => Number(/\d{3}/.exec(path)?.[0]));
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect([...list.matchAll(/^- \[(\d{3}) /gm)].map(([, number]) => Number(number))).toEqual(numbers);
    for (const { path, text } of records) {
      expect(list).toContain(`- [${text.split("\n")[0]?.slice(2)}](${path.slice("docs/decisions/".length)})`);
    }
  });
});

/** Commands that change nothing. */
const READING = new Set(["get", "describe", "history", "top", "alarms", "drift"]);

// Each in an order of its own and on ports of its own, so they can run at the same time.
describe("what the documents show", () => {
  const shown = pages.filter((one) =>
    steps(one).some(({ command }) => sinewArguments(command) || curlRequest(command)),
  );
  test.concurrent.each(shown.map((one) => [one.path, one] as const))(
    "%s is what comes out",
    async (_, of) => {
      const session = new Session();
      try {
        for (const step of steps(of)) {
          let actual = await session.run(step);
          if (actual === null || step.output === null) continue;
          const shown = step.output;
          const here = `${of.path}:${step.line} ${step.command}`;
          // What is plugged into this machine is its own: of a start without a recording only the rest is compared.
          const live = sinewArguments(step.command)?.[0] === "start" && !step.command.includes("--snapshot");
          const cut = (text: string) => (live ? text.slice(Math.max(0, text.indexOf("API  "))) : text);
          const right = () => isShown(cut(shown), cut(actual ?? ""));
          // A tier above hears of a change a moment after it: who only reads may look again.
          const reads =
            curlRequest(step.command)?.init.method === "GET" || READING.has(sinewArguments(step.command)?.[0] ?? "");
          const patience = performance.now() + (reads ? 5_000 : 0);
          while (!right() && performance.now() < patience) {
            await Bun.sleep(30);
            actual = await session.run({ ...step, before: null });
          }
          if (!right()) expect(`${here}\n${actual}`).toBe(`${here}\n${shown}`);
        }
      } finally {
        await session.close();
      }
    },
    // All pages share the machine's cores.
    60_000,
  );
});
