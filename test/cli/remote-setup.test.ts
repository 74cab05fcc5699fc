import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FleetHardwareList } from "../../src/contract/hardware.ts";
import { Problem } from "../../src/contract/problem-schema.ts";
import { endAll, type RunningSinew, sinew, startSinew, until } from "../support/process.ts";
import { makeTree } from "../support/tree.ts";
import { cleanEnv, run } from "./run.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-remote-"));
const tree = makeTree();
let conductor: RunningSinew;
let operator = "";
const token = (state: string, ...more: string[]) =>
  sinew(["token", "create", "--state", join(home, state), ...more]).then((text) => text.trim());

beforeAll(async () => {
  tree.add({ address: "0000:17:00.0", vendor: "10de", device: "2331", class: "030200" });
  conductor = await startSinew(["--role", "conductor", "--state", join(home, "c"), "--auth", "required"]);
  operator = await token("c", "--role", "operator");
}, 60_000);

afterAll(async () => {
  await endAll();
  tree.close();
  rmSync(home, { recursive: true, force: true });
});

const ask = (url: string, bearer: string, path: string, body?: unknown) =>
  fetch(`${url}${path}`, {
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    headers: { authorization: `Bearer ${bearer}` },
  });

/** A node that has joined by a link; the uuid of its device. */
async function joined(name: string, options: string[]) {
  const own = [
    "--role",
    "agent",
    "--node",
    name,
    "--state",
    join(home, name),
    "--sysfs",
    tree.sysfs,
    "--auth",
    "required",
  ];
  const agent = await startSinew([...own, "--join", await token("c", "--node", name), ...options]);
  let uuid = "";
  await until(async () => {
    const list = await (await ask(conductor.url, operator, `/hardware?node=${name}`)).json();
    uuid = FleetHardwareList.parse(list).hardware[0]?.uuid ?? "";
    return uuid !== "";
  });
  return { agent, uuid };
}

const cases = [
  ["off", ["--remote-setup", "off"], false, false],
  ["plan", ["--remote-setup", "plan"], true, false],
  ["apply", ["--remote-setup", "apply"], true, true],
  ["unset", [], true, false],
] as const;

test.each(cases)(
  "--remote-setup %s: over its link a conductor is let do what the node says",
  async (name, flags, plan, apply) => {
    const { agent, uuid } = await joined(name, [...flags]);
    const path = `/hardware/${uuid}/setup`;
    const allowed = async (url: string, bearer: string, body: unknown) => {
      const response = await ask(url, bearer, path, body);
      if (response.status !== 403) return true;
      expect(Problem.parse(await response.json()).detail).toContain(
        `--remote-setup ${name === "unset" ? "plan" : name}`,
      );
      return false;
    };
    expect(await allowed(conductor.url, operator, { dry_run: true })).toBe(plan);
    expect(await allowed(conductor.url, operator, {})).toBe(apply);
    // The node's own operator may always.
    const own = await token(name, "--role", "operator");
    for (const body of [{ dry_run: true }, {}]) expect(await allowed(agent.url, own, body)).toBe(true);
    // Reading is not affected.
    expect((await ask(conductor.url, operator, `/hardware/${uuid}/history`)).status).toBe(200);
  },
  60_000,
);

test("at a conductor a change is one of one node; plans are of all, and one that cannot be made hides no other", async () => {
  const cli = (...args: string[]) => run([...args, "--state", join(home, "c")], cleanEnv(home));
  const refused = await cli("apply", "17:00.0");
  expect(refused).toMatchObject({ code: 1, out: "" });
  expect(refused.err).toContain("these are devices of 4 nodes (");
  expect((await cli("revert", "17:00.0")).err).toContain("name a device by its uuid");
  const plans = await cli("plan", "17:00.0");
  expect(plans).toMatchObject({ code: 1, err: expect.stringContaining("1 of 4 could not be planned") });
  expect(plans.out).toContain("at 0000:17:00.0, node off\n  http://");
  for (const name of ["plan", "apply", "unset"]) {
    expect(plans.out).toContain(`at 0000:17:00.0, node ${name}\n  wanted   nothing`);
  }
  expect((await cli("expect", "show")).err).toContain("no agent runs here");
}, 60_000);

test("--remote-setup takes no other word", async () => {
  await expect(startSinew(["--state", join(home, "x"), "--remote-setup", "yes"])).rejects.toThrow(
    '--remote-setup: expected one of off, plan, apply, found "yes"',
  );
});
