import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Finding } from "../../src/cli/doctor/finding.ts";
import { busFindings, nameFindings } from "../../src/cli/doctor/host.ts";
import { portFindings, reachFindings } from "../../src/cli/doctor/network.ts";
import { credentialFindings, stateFindings } from "../../src/cli/doctor/state.ts";
import { freePort } from "../support/ports.ts";
import { endAll, startSinew } from "../support/process.ts";
import { makeTree } from "../support/tree.ts";
import { cleanEnv, run } from "./run.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-doctor-"));
const tree = makeTree();
tree.add({ address: "0000:3b:00.0", vendor: "8086", device: "4940", class: "0b4000", revision: "40" });
afterAll(async () => {
  await endAll();
  tree.close();
  rmSync(home, { recursive: true });
});

const doctor = (args: string[]) => run(["doctor", "--sysfs", tree.sysfs, ...args], cleanEnv(home));
const of = (findings: readonly Finding[], check: string) => findings.filter((one) => one.check === check);
const folder = (name: string) => {
  const path = join(home, name);
  mkdirSync(path, { mode: 0o700 });
  return path;
};

describe("sinew doctor", () => {
  test("on a host where nothing runs yet: says what is there, and that the first start makes the rest", async () => {
    const { out, err, code } = await doctor(["--json", "--state", join(home, "none")]);
    expect([err, code]).toEqual(["", 0]);
    const { findings } = JSON.parse(out) as { findings: Finding[] };
    expect(of(findings, "bus")).toEqual([
      { check: "bus", status: "ok", message: `1 PCI functions at ${tree.sysfs}`, mend: null },
    ]);
    expect(of(findings, "state")[0]).toMatchObject({ status: "ok", message: expect.stringContaining("first") });
    for (const { status, mend } of findings) expect(mend === null).toBe(status === "ok");
  });

  test("beside tiers that run: they answer and let their operator read", async () => {
    const state = folder("all");
    const running = await startSinew(["--auth", "required", "--state", state, "--sysfs", tree.sysfs]);
    const { out, code } = await doctor(["--state", state]);
    expect(code).toBe(0);
    expect(out).toMatch(/^ok +reach +\S+ answers in \d+ ms$/m);
    expect(out).toMatch(/^ok +credentials +\S+ lets this user read$/m);
    expect(out).toMatch(/\nThis is of this host; what is wrong in the fleet: sinew get alarms\n$/);
    await running.stop("SIGKILL");
    const killed = await doctor(["--state", state]);
    expect(killed.code).toBe(1);
    expect(killed.out).toMatch(/^failed +reach .* does not answer: .* -> sinew start/m);
    expect(killed.out).toMatch(/\n1 failed, /);
  });

  test("of a conductor that is named: out of reach, no Sinew, no credential", async () => {
    const nobody = `http://127.0.0.1:${freePort()}`;
    expect(await reachFindings({ url: nobody }, home)).toMatchObject([
      { status: "failed", message: expect.stringContaining("does not answer"), mend: `curl -v ${nobody}/healthz` },
    ]);
    const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello", { status: 404 }) });
    const found = await reachFindings({ url: other.url.origin }, home);
    expect(found).toMatchObject([{ status: "failed", message: expect.stringContaining("no tier of Sinew") }]);
    await other.stop(true);
    const ready = Bun.serve({
      ...{ port: 0, hostname: "127.0.0.1" },
      fetch: () => new Response("{}", { headers: { date: new Date(Date.now() + 3_600_000).toUTCString() } }),
    });
    const late = await reachFindings({ url: ready.url.origin }, home);
    expect(of(late, "clock")).toMatchObject([
      { status: "warning", message: expect.stringMatching(/3(600|599) s ahead/) },
    ]);
    expect(of(late, "credentials")).toMatchObject([{ status: "warning", mend: expect.stringContaining("--token") }]);
    await ready.stop(true);
  });

  test("of a state directory: who may enter it, and a secret that others read", async () => {
    const state = folder("shared");
    chmodSync(state, 0o755);
    writeFileSync(join(state, "operator.token"), "x", { mode: 0o644 });
    expect(await stateFindings(state)).toContainEqual(
      expect.objectContaining({ status: "warning", mend: `chmod 700 ${state}` }),
    );
    await expect(credentialFindings(state)).rejects.toThrow("chmod 600");
    const { out, code } = await doctor(["--state", state, "--json"]);
    expect(code).toBe(1);
    const { findings } = JSON.parse(out) as { findings: Finding[] };
    expect(of(findings, "credentials")).toMatchObject([{ status: "failed", message: expect.stringContaining("0644") }]);
    const file = join(home, "file");
    writeFileSync(file, "");
    expect((await stateFindings(join(file, "state")))[0]?.status).toBe("failed");
    expect((await stateFindings(file))[0]).toMatchObject({
      message: `${file}: expected a directory, found something else`,
    });
  });

  test("of damaged files: each is named, and what never ends is not read", async () => {
    const state = folder("damaged");
    writeFileSync(join(state, "conductor.url"), "http://\u001b]0;owned\u0007");
    Bun.spawnSync(["mkfifo", "-m", "600", join(state, "operator.token")]);
    const { out, err, code } = await doctor(["--state", state]);
    expect([err, code]).toEqual(["", 1]);
    expect(out).toContain(`${state}/conductor.url: expected where a tier is, found something else`);
    expect(out).toContain(`${state}/operator.token: expected a file, found something else`);
    expect(out).not.toContain("\u001b");
  });

  test("of a port that another process has, and of names that are not there", async () => {
    const holder = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const held = holder.port ?? 0;
    const found = await portFindings(home, { conductor: held, agent: freePort() });
    await holder.stop(true);
    expect(found.map(({ status }) => status)).toEqual(["warning", "ok"]);
    expect(found[0]).toMatchObject({ mend: expect.stringContaining(`ss -ltnp 'sport = :${held}'`) });
    expect((await nameFindings(["/nowhere/pci.ids"]))[0]).toMatchObject({ status: "warning" });
  });

  test("of a bus that cannot be read, or is empty", async () => {
    expect((await busFindings(join(home, "no-sysfs")))[0]).toMatchObject({ status: "failed", check: "bus" });
    const empty = makeTree();
    expect((await busFindings(empty.sysfs))[0]).toMatchObject({ status: "warning" });
    empty.close();
  });
});
