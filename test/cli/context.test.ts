import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endAll, type RunningSinew, sinew, startSinew } from "../support/process.ts";
import { cleanEnv, run as ran } from "./run.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-context-"));
const state = join(home, "state");
const file = join(home, "config", "sinew", "contexts.json");
const token = join(home, "viewer.token");
let conductor: RunningSinew;
let agent: RunningSinew;
const env = (more: Record<string, string> = {}) => cleanEnv(home, { XDG_CONFIG_HOME: join(home, "config"), ...more });
const run = (args: string[], more?: Record<string, string>) => ran(args, env(more));

beforeAll(async () => {
  conductor = await startSinew(["--role", "conductor", "--state", state, "--auth", "required"]);
  agent = await startSinew(["--role", "agent", "--drivers", "none", "--state", join(home, "a"), "--auth", "required"]);
  writeFileSync(token, await sinew(["token", "create", "--role", "viewer", "--state", state]), { mode: 0o600 });
});
afterAll(async () => {
  await endAll();
  rmSync(home, { recursive: true, force: true });
});

test("without a conductor the flag, the context and the directory that mend it are named", async () => {
  const { code, err } = await run(["alarms"]);
  expect(code).toBe(1);
  for (const word of ["no conductor is running in", "--conductor", "sinew context set", "--state"])
    expect(err).toContain(word);
  const alone = await run(["alarms", "--state", join(home, "a")]);
  expect(alone).toMatchObject({ code: 1, err: expect.stringContaining("an agent alone") });
  const asked = await run(["alarms", "--conductor", agent.url, "--state", join(home, "a")]);
  expect(asked).toMatchObject({ code: 1, err: expect.stringContaining("is it a conductor? --conductor is to be one") });
});

test("a saved conductor is asked from then on, with its token; only its owner reads where that is", async () => {
  expect((await run(["context", "list"])).out).toContain("None is saved");
  const set = ["context", "set", "prod", "--conductor", conductor.url, "--token", token];
  expect(await run(set)).toEqual({ code: 0, out: `prod is the current context: ${conductor.url}\n`, err: "" });
  expect(await run(["alarms"])).toEqual({ code: 0, out: "Nothing fires.\n", err: "" });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8")).not.toContain(readFileSync(token, "utf8").trim());
  expect(JSON.parse((await run(["context", "show"])).out)).toEqual({ name: "prod", url: conductor.url, token });
});

test("a flag wins over the environment, that over the current context; --state means the one that runs there", async () => {
  const nobody = { SINEW_CONDUCTOR: "http://127.0.0.1:1" };
  expect((await run(["alarms", "--token", token], nobody)).err).toContain("cannot reach http://127.0.0.1:1");
  expect((await run(["alarms", "--context", "prod"], nobody)).out).toBe("Nothing fires.\n");
  expect((await run(["alarms", "--conductor", conductor.url, "--token", token], nobody)).out).toBe("Nothing fires.\n");
  expect((await run(["alarms", "--url", conductor.url, "--token", token], nobody)).out).toBe("Nothing fires.\n");
  expect((await run(["alarms", "--state", state], nobody)).out).toBe("Nothing fires.\n");
  expect((await run(["alarms"], { SINEW_CONDUCTOR: "ftp://x" })).err).toContain("SINEW_CONDUCTOR: expected HOST:PORT");
  for (const secret of [
    "http://ada:hunter2@127.0.0.1:1",
    "ada:hunter2@127.0.0.1:1",
    "HTTP://ada:hunter2@[",
    "ftp://hunter2@x",
  ]) {
    const { code, err } = await run(["alarms"], { SINEW_CONDUCTOR: secret });
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("SINEW_CONDUCTOR: expected HOST:PORT") });
    expect(err).not.toContain("hunter2");
  }
  const both = await run(["alarms", "--conductor", conductor.url, "--context", "prod"]);
  expect(both).toMatchObject({ code: 2, err: expect.stringContaining("expected one of them, found both") });
});

test("a token is for the conductor it was saved with: another address has none", async () => {
  await run(["context", "set", "moving", "--conductor", conductor.url, "--token", token]);
  await run(["context", "set", "moving", "--conductor", "https://192.0.2.1:1336"]);
  expect(JSON.parse((await run(["context", "show", "moving"])).out)).toEqual({
    name: "moving",
    url: "https://192.0.2.1:1336",
  });
  const { code, err } = await run(["alarms", "--context", "moving"]);
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining("expected --token FILE") });
});

test("contexts are listed, used and removed", async () => {
  expect((await run(["context", "use", "moving"])).out).toBe("moving is the current context\n");
  expect((await run(["context", "list"])).out).toMatch(
    /^CURRENT +NAME +CONDUCTOR +TOKEN FILE\n- +prod .*\n\* +moving /,
  );
  expect((await run(["context", "remove", "moving"])).out).toBe("removed moving\n");
  expect((await run(["context", "show"])).err).toContain("no context is the current one");
  expect((await run(["context", "use", "nosuch"])).err).toContain('no context is called "nosuch"; there are prod');
  expect(await run(["context", "set", "__proto__", "--conductor", "x:1"])).toMatchObject({ code: 2 });
  expect(await run(["context", "set", "new"])).toMatchObject({ code: 2, err: expect.stringContaining("--conductor") });
  await run(["context", "use", "prod"]);
});

test("a refusal names what mends it: the token's file, or a token that may", async () => {
  const bad = join(home, "bad.token");
  writeFileSync(bad, "0123456789ab.nonsense");
  const stranger = await run(["alarms", "--conductor", conductor.url, "--token", bad]);
  expect(stranger).toMatchObject({ code: 1, err: expect.stringContaining(`the token in ${bad}`) });
  await run(["context", "set", "bad", "--conductor", conductor.url, "--token", bad]);
  expect((await run(["alarms", "--context", "bad"])).err).toContain("`sinew context set bad --token FILE`");
  const refused = await run(["window", "add", "--all", "--for", "1h"]);
  expect(refused.err).toContain("sinew token create --role");
});

test("a file that others may write, or that says something else, is not believed", async () => {
  chmodSync(file, 0o666);
  expect((await run(["alarms"])).err).toContain("others may write to it");
  chmodSync(file, 0o600);
  const before = readFileSync(file, "utf8");
  for (const text of ["[", "{}", '{"current":null,"contexts":{"a":{"url":1}}}']) {
    writeFileSync(file, text);
    expect(await run(["alarms"])).toMatchObject({ code: 1, err: expect.stringContaining("contexts.json: ") });
  }
  writeFileSync(file, before);
});
