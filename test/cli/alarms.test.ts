import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endAll, type RunningSinew, sinew, startSinew, until } from "../support/process.ts";
import { cleanEnv, run as ran } from "./run.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-alarms-"));
const state = join(home, "state");
const file = join(home, "nodes");
let conductor: RunningSinew;
const run = (...args: string[]) => sinew([...args, "--state", state]);

beforeAll(async () => {
  conductor = await startSinew(["--role", "conductor", "--state", state, "--auth", "required", "--expect-within", "0"]);
});
afterAll(async () => {
  await conductor.stop("SIGTERM");
  await endAll();
  rmSync(home, { recursive: true, force: true });
});

test("a fleet without trouble says so", async () => {
  expect(await run("alarms")).toBe("Nothing fires.\n");
  expect(JSON.parse(await run("alarms", "--show", "all", "--json"))).toEqual({ alarms: [] });
  expect(await run("expect", "nodes")).toContain("no node is expected");
  expect(await run("window", "list")).toBe("There is none.\n");
});

test("nodes are expected from a file, a line each, and what that changes is shown", async () => {
  writeFileSync(file, "# rack 7\nn1 rack=7\nn2 6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d  # by its id\n\n");
  expect(await run("expect", "nodes", file)).toBe(
    "+ n1\n+ n2\n2 nodes are expected: 2 added, 0 withdrawn, 0 changed, 0 as before\n",
  );
  expect(await run("expect", "nodes")).toMatch(/^NAME +ID +SEEN\nn1 +- +never\nn2 +6f1a3f0e-.* +never\n$/);
  writeFileSync(`${file}.json`, JSON.stringify({ nodes: [{ name: "n1" }] }));
  expect(JSON.parse(await run("expect", "nodes", `${file}.json`, "--json"))).toEqual({
    ...{ added: [], withdrawn: ["n2"], changed: ["n1"], unchanged: 0 },
  });
});

test("a file with a mistake changes nothing, and the line or field is named", async () => {
  for (const [name, text, said] of [
    ["bad", "# rack 7\n\nn1\nn1\n", /bad:4: name: expected each name once, got n1, which \S+bad:3 has, too$/m],
    ["bad", "n1 n2\n", 'bad:1: expected NAME [ID] [LABEL=VALUE...], found "n2"'],
    ["bad", "ok\nn/1 \u00e4=1\nn?\n", "bad:3: name: letters, digits"],
    ["bad.json", '{"nodes":[{"name":"n1","labels":{"a":1}}]}', "bad.json: /nodes/0: labels.a: "],
    ["bad.json", "[", "bad.json: expected JSON"],
  ] as const) {
    writeFileSync(join(home, name), text);
    await expect(run("expect", "nodes", join(home, name))).rejects.toThrow(said);
  }
  expect(JSON.parse(await run("expect", "nodes", "--json")).nodes).toHaveLength(1);
});

test("an alarm is shown, acknowledged by the beginning of its id, and that is taken back", async () => {
  await until(async () => (await run("alarms")).includes("agent.never_seen"));
  const shown = await run("alarms", "--node", "n1");
  expect(shown).toContain("node n1 is expected, and has never said hello");
  const beginning = /^[0-9a-f]{8}/m.exec(shown)?.[0] ?? "";
  expect(await run("ack", beginning, "--comment", "it is on its way")).toBe("agent.never_seen of n1 is acknowledged\n");
  const [alarm] = JSON.parse(await run("alarms", "--acknowledged", "true", "--json")).alarms;
  expect(alarm.acknowledged).toMatchObject({ comment: "it is on its way" });
  expect(await run("alarms")).toMatch(/ firing, ack \S+@\S+ \(it is on its way\) /);
  // Said again without a comment it keeps the one it has.
  await run("ack", beginning);
  expect(await run("alarms")).toContain("(it is on its way)");
  expect(await run("ack", `alarm/${beginning}`, "--undo")).toContain("not acknowledged");
  // As from a script whose variable is unset: there is but one, and it is not meant.
  for (const said of ["", beginning.slice(0, 3)])
    await expect(run("ack", said)).rejects.toThrow("expected 4 characters of an id or more");
  expect(JSON.parse(await run("alarms", "--acknowledged", "true", "--json")).alarms).toEqual([]);
  await expect(run("ack", "ffffffffffff")).rejects.toThrow("no alarm that fires has an id that begins with");
});

test("history says of each thing that an operator did what it was, and who did it", async () => {
  const window = (await run("window", "add", "--node", "n1", "--for", "1h", "--comment", "disks")).trim();
  await until(async () => (await run("alarms", "--node", "n1")).includes("silenced"));
  await run("window", "end", window);
  await until(async () => !(await run("alarms", "--node", "n1")).includes("silenced"));
  await run("label", "node", "n1", "rack=8", "--overwrite");
  await run("cordon", "n1", "--comment", "RMA 4711");
  await run("uncordon", "n1");
  const history = await run("history", "node", "n1");
  for (const said of [
    /agent\.never_seen acknowledged by \S+@\S+: it is on its way$/m,
    /agent\.never_seen acknowledged no more \(was by \S+@\S+\)$/m,
    /agent\.never_seen silenced by window [0-9a-f]{8}/m,
    /agent\.never_seen silenced no more \(was by window /m,
    /label rack .* -> 8, by \S+@\S+$/m,
    /Cordoned: by \S+@\S+: RMA 4711$/m,
    /in service again, by \S+@\S+ \(was Cordoned: by \S+@\S+: RMA 4711\)$/m,
  ])
    expect(history).toMatch(said);
});

test("bad usage ends with status 2, and names the option and what there is", async () => {
  const wrong = async (args: string[], said: string) => {
    const { code, err } = await ran([...args, "--state", state], cleanEnv(home));
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(said) });
  };
  await wrong(["alarms", "--show", "open"], '--show: expected pending, firing, resolved, all, found "open"');
  await wrong(["alarms", "--kind", "nonsense"], "--kind: expected agent.lost, ");
  await wrong(["alarms", "--severity", "bad"], '--severity: expected warning, critical, found "bad"');
  await wrong(["alarms", "--acknowledged", "maybe"], "--acknowledged: expected true, false, found");
  await wrong(["window", "add", "--for", "1h", "--kind", "nonsense"], "--kind: expected agent.lost, ");
  const none = "expected --node, --label, --kind, or --all alone, found ";
  await wrong(["window", "add", "--for", "1m"], `${none}none of them`);
  await wrong(["window", "add", "--for", "1m", "--all", "--node", "n1"], `${none}both`);
  const two = ["window", "add", "--for", "1m", "--node", "n1", "--node", "n2"];
  await wrong(two, "--node: expected it once, found it again");
  const past = ["--all", "--from", "2001-01-01T00:00:00Z", "--for", "1h"];
  await wrong(["window", "add", ...past], "expected a window that ends later than now, found 2001-01-01T00:00:00.000Z");
  expect(await run("window", "list")).toBe("There is none.\n");
});

test("of a name that no node has nothing fires, and that is said; a window may be for one to come", async () => {
  const asked = await ran(["alarms", "--node", "nosuch", "--state", state], cleanEnv(home));
  expect(asked).toMatchObject({
    code: 1,
    out: "",
    err: expect.stringContaining('no node has the id or the name "nosuch"'),
  });
  expect(await run("alarms", "--node", "n1", "--show", "resolved", "--kind", "agent.lost")).toBe("");
  // Others fire: that nothing does would be wrong.
  const none = await ran(["alarms", "--kind", "agent.lost", "--state", state], cleanEnv(home));
  expect(none).toEqual({ code: 0, out: "", err: "sinew: no alarm is like that\n" });
  const added = await ran(["window", "add", "--node", "n11", "--for", "1h", "--state", state], cleanEnv(home));
  expect(added).toMatchObject({
    code: 0,
    err: expect.stringMatching(
      /silenced until \S+ \S+ UTC: n11\n.*no node has the id or the name "n11" now.*did you mean n1\?/,
    ),
  });
  await run("window", "end", added.out.trim());
  const known = await ran(["window", "add", "--node", "n1", "--for", "1h", "--state", state], cleanEnv(home));
  expect(known).toMatchObject({ code: 0, err: expect.stringMatching(/^sinew: silenced until \S+ \S+ UTC: n1\n$/) });
  await run("window", "end", known.out.trim());
  const label = await ran(["window", "add", "--label", "rack=none", "--for", "1h", "--state", state], cleanEnv(home));
  expect(label).toMatchObject({ code: 0, err: expect.stringContaining("no node has the label rack=none now") });
  await run("window", "end", label.out.trim());
});

test("a window is added, listed and ended; what it matches is silenced meanwhile", async () => {
  const id = (await run("window", "add", "--node", "n1", "--for", "2h", "--comment", "new disks")).trim();
  expect(await run("window", "list")).toContain("n1    new disks");
  await until(async () => (await run("alarms")).includes("silenced"));
  for (const said of ["", id.slice(0, 3)])
    await expect(run("window", "end", said)).rejects.toThrow("expected 4 characters of an id or more");
  expect(await run("window", "list")).toContain(id.slice(0, 8));
  expect(await run("window", "end", id.slice(0, 8))).toBe(`ended ${id}\n`);
  await until(async () => !(await run("alarms")).includes("silenced"));
  await expect(run("window", "add", "--label", "__proto__=x", "--for", "1h")).rejects.toThrow("no label is called");
  expect(await run("window", "list")).toBe("There is none.\n");
  await expect(run("window", "add", "--all", "--for", "tomorrow")).rejects.toThrow("--for: expected a time such as");
});

test("a node that is no longer expected is forgotten, and its alarm resolved", async () => {
  writeFileSync(file, "");
  expect(await run("expect", "nodes", file)).toContain("- n1\n");
  await until(async () => (await run("alarms")) === "Nothing fires.\n");
  const resolved = await run("alarms", "--show", "resolved");
  expect(resolved).toContain("Forgotten: it is in the fleet no more\n");
  // Of what is over nothing is to be done.
  expect(resolved).not.toContain("start its agent");
});
