import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cleanEnv, run } from "../../cli/run.ts";

/** Clears a screen, sets a title, by 7 and by 8 bits; turns the reading direction; ends a line. */
const EVIL = "\u001b[2J\u001b]0;owned\u0007\u009b2J\u202e\n\u2028x";
const OBEYED = /(?!\n)[\p{Cc}\p{Cf}\u2028]/u;
const UUID = "5d1e7c52-3c0b-4b5e-8f6a-2f1d9c7b0a43";
const AT = "2026-01-01T00:00:00Z";
const NODE = {
  ...{ id: UUID, name: "n1", state: "LIVE", labels: {}, endpoint: null, last_seen: AT, first_seen: AT },
  ...{ api: null, generation: null, boot_id: null, conditions: [] },
};

const home = mkdtempSync(join(tmpdir(), "sinew-hostile-"));
const env = cleanEnv(home);
const token = join(home, "token");
/** What the conductor that is asked answers: an attacker's. */
let answer: (url: URL, list: string) => Response | Promise<Response> = () => new Response();
let conductor: ReturnType<typeof Bun.serve>;
/** Whoever it sends its callers to. */
let other: ReturnType<typeof Bun.serve>;
const shown: (string | null)[] = [];

beforeAll(() => {
  writeFileSync(token, "0123456789ab.secret\n", { mode: 0o600 });
  conductor = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1" },
    fetch(request) {
      const url = new URL(request.url);
      return answer(url, url.pathname.split("/")[1] ?? "");
    },
  });
  other = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1" },
    fetch(request) {
      shown.push(request.headers.get("authorization"));
      return new Response();
    },
  });
});
afterAll(async () => {
  await Promise.all([conductor, other].map((one) => one.stop(true)));
  rmSync(home, { recursive: true });
});

const ask = (...args: string[]) => run([...args, "--conductor", conductor.url.origin, "--token", token], env);
const one =
  (rows: unknown[], more: object = {}) =>
  (_: URL, list: string) =>
    Response.json({ [list]: rows, sources: [], revision: 1, ...more });

describe("a conductor that is an attacker's", () => {
  const COMMANDS = [
    ...["get hardware -o wide", "get hardware -o yaml", "get nodes", "get nodes -o json", "get sources", "get alarms"],
    ...["get operations", "get changes", "describe node n1", `describe hardware ${UUID}`, "history node n1", "drift"],
    ...["wait node/n1 --for live --timeout 1s", "top nodes", "cordon n1 --json", "label node n1 a=b --json"],
    ...["forget node n1 --yes", "alarms --json", "expect nodes --json", "window list --json", "ack 12345678 --json"],
  ];
  const NAMES =
    "id name state labels conditions node uuid source freshness acc_status acc_specs pci kind message reason action summary time error at by".split(
      " ",
    );
  const everywhere = (value: unknown) => Object.fromEntries([...NAMES, EVIL].map((name) => [name, value]));

  test.each([
    ["rows that are none", one([null])],
    ["rows without what is in them", one([{}])],
    ["escapes in the place of all", one([everywhere(EVIL)], everywhere(EVIL))],
    ["methods that are texts", one([everywhere({ filter: EVIL, map: EVIL, slice: EVIL, find: EVIL })])],
    ["a text", () => Response.json(EVIL)],
    ["a refusal", () => Response.json({ detail: EVIL, code: EVIL }, { status: 409 })],
  ])(
    "says %s, and moves no cursor by that",
    async (_, says) => {
      answer = says;
      const ran = await Promise.all(COMMANDS.map((command) => ask(...command.split(" "))));
      const obeyed = ran.flatMap(({ out, err }, at) => (OBEYED.test(out + err) ? [[COMMANDS[at], out + err]] : []));
      expect(obeyed).toEqual([]);
      expect(ran.map(({ code }) => code).filter((code) => code !== 0 && code !== 1)).toEqual([]);
    },
    60_000,
  );

  test("has no list without end: not in a circle, and not of pages that go on", async () => {
    let page = 0;
    answer = one([NODE], { next_page_token: "again" });
    expect(await ask("get", "nodes")).toMatchObject({ code: 1, err: expect.stringContaining("in a circle") });
    answer = (url, list) => one([], { next_page_token: `t${page++ % 50}` })(url, list);
    expect(await ask("get", "nodes")).toMatchObject({ code: 1, err: expect.stringContaining("in a circle") });
    answer = (url, list) => one([], { next_page_token: `t${page++}` })(url, list);
    expect(await ask("get", "nodes")).toMatchObject({ code: 1, err: expect.stringContaining("has no end") });
  }, 60_000);

  test("is shown the token, and nobody whom it sends its caller to is", async () => {
    for (const status of [301, 302, 307, 308]) {
      answer = () => new Response(null, { status, headers: { location: other.url.href } });
      expect(await ask("get", "nodes")).toMatchObject({ code: 1, out: "" });
      expect(await ask("cordon", "n1")).toMatchObject({ code: 1, out: "" });
    }
    expect(shown).toEqual([]);
  });

  test("gives scripts one word for a name, whatever is in it", async () => {
    const named = [{ ...NODE, name: "x --token /etc/shadow --conductor http://evil 'a' \"b\" \\" }];
    answer = (url, list) => one(list === "nodes" ? named : [])(url, list);
    const { out } = await ask("get", "nodes", "-o", "name");
    expect(out).toBe("node/x?--token?/etc/shadow?--conductor?http://evil??a???b???\n");
  });

  test("completes no option in the place of a name", async () => {
    answer = one([NODE, { ...NODE, name: "--yes" }, { ...NODE, name: "$(touch x)" }, { ...NODE, name: "`id`" }]);
    const words = ["--conductor", conductor.url.origin, "--token", token];
    const { out } = await run(["complete", "--deadline", "20000", "--", "forget", "node", ...words, ""], env);
    expect(out).toBe("n1\tLIVE\n");
  });
});

describe("the file of contexts", () => {
  const folder = join(home, ".config", "sinew");
  const file = join(folder, "contexts.json");
  const list = () => run(["context", "list"], env);
  beforeAll(() => {
    mkdirSync(folder, { recursive: true });
  });

  test.each([
    ["an endless file", () => symlinkSync("/dev/zero", file), "expected a file"],
    ["a directory", () => mkdirSync(file), "expected a file"],
    ["megabytes", () => writeFileSync(file, " ".repeat(2_000_000), { mode: 0o600 }), "expected a file"],
    ["damage", () => writeFileSync(file, "{", { mode: 0o600 }), "sinew context set"],
    [
      "a hostile name",
      () =>
        writeFileSync(file, JSON.stringify({ current: null, contexts: { [EVIL]: { url: EVIL } } }), { mode: 0o600 }),
      "sinew context set",
    ],
  ])("that is %s is refused in one line", async (_, make, said) => {
    rmSync(file, { recursive: true, force: true });
    make();
    const { code, out, err } = await list();
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain(said);
    expect(err).not.toMatch(OBEYED);
    expect(err.trimEnd().split("\n")).toHaveLength(1);
  });
});
