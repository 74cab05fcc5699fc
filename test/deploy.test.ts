import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Subprocess } from "bun";
import { NodeList } from "../src/contract/node.ts";
import { sinew, until } from "./support/process.ts";

const root = join(import.meta.dir, "..");
const units = join(root, "deploy/systemd");
const names = readdirSync(units).sort();
const LIMITS: Record<string, number> = {
  "sinew-agent-setup.service": 2.5,
  "sinew-agent.service": 2.0,
  "sinew-conductor.service": 1.5,
};
/** nobody: tests make no users on the system they run on. */
const UNPRIVILEGED = 65534;

const folder = mkdtempSync(join(tmpdir(), "sinew-deploy-"));
// The user of a unit has to reach its state directory below.
chmodSync(folder, 0o711);
afterAll(() => rmSync(folder, { recursive: true }));

/** What a unit says of this key, in its order. */
function directives(unit: string, key: string): string[] {
  const lines = readFileSync(join(units, unit), "utf8").split("\n");
  return lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
}
const directive = (unit: string, key: string) => directives(unit, key).at(-1);

/** The unit as it is on a machine where the program lies here. */
const here = (text: string) => text.replaceAll("/usr/local/bin/bun", process.execPath).replaceAll("/opt/sinew", root);

async function analyze(...args: string[]): Promise<{ code: number; output: string }> {
  const child = Bun.spawn(["systemd-analyze", "--no-pager", ...args], { stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, output: out + err };
}

test("the units are those with a limit", () => expect(names).toEqual(Object.keys(LIMITS)));

describe.if(Bun.which("systemd-analyze") !== null)("systemd-analyze", () => {
  test.each(names)("finds %s exposed no more than its limit", async (name) => {
    const { output } = await analyze("security", "--offline=true", join(units, name));
    const level = Number(/exposure level for \S+: ([\d.]+)/.exec(output)?.[1]);
    expect({ level, most: LIMITS[name], within: level <= (LIMITS[name] ?? 0) }).toMatchObject({ within: true });
  });

  test("finds nothing wrong in the units", async () => {
    const copies = names.map((name) => {
      const path = join(folder, name);
      writeFileSync(path, here(readFileSync(join(units, name), "utf8")));
      return path;
    });
    expect(await analyze("verify", "--man=no", "--recursive-errors=no", ...copies)).toEqual({ code: 0, output: "" });
  });
});

// What the kernel can be told of a unit without systemd: its user, its capabilities, and what it may see and write.
// Not its filter of system calls and of address families.
const CONFINE = `
  mount --make-rprivate / && mount --bind "$STATE" "$STATE" && mount -o remount,bind,ro / || exit 97
  mount -t proc -o "$PROC" proc /proc || exit 97
  if [ "$TUNABLES" = yes ]; then mount -o remount,bind,ro /sys || exit 97; fi
  exec "$@"`;
const confines = async () => {
  const programs = ["unshare", "setpriv", "mount"].every((program) => Bun.which(program) !== null);
  if (process.getuid?.() !== 0 || !programs) return false;
  const env = { PATH: process.env.PATH ?? "", STATE: folder, TUNABLES: "yes", PROC: "hidepid=invisible" };
  return (
    (await Bun.spawn(["unshare", "-m", "sh", "-c", CONFINE, "sh", "true"], { env, stderr: "ignore" }).exited) === 0
  );
};

const running: Subprocess[] = [];
afterEach(async () => {
  for (const child of running) child.kill("SIGKILL");
  await Promise.all(running.splice(0).map((child) => child.exited));
});

/** Runs a unit's ExecStart with its user, capabilities, environment and mounts. */
async function run(unit: string, state: string, variables: Record<string, string>) {
  const uid = directive(unit, "User") === "root" ? 0 : UNPRIVILEGED;
  chownSync(state, uid, uid);
  const capabilities = directive(unit, "CapabilityBoundingSet")
    ?.toLowerCase()
    .replaceAll("cap_", "+")
    .replaceAll(" ", ",");
  const only = (kind: string) => `--${kind}=-all${capabilities ? `,${capabilities}` : ""}`;
  const ambient = directive(unit, "AmbientCapabilities") ? [only("ambient-caps")] : [];
  const rights = [
    `--reuid=${uid}`,
    `--regid=${uid}`,
    "--clear-groups",
    only("bounding-set"),
    only("inh-caps"),
    ...ambient,
  ];
  const environment = directives(unit, "Environment").flatMap((line) => line.split(" ").map((pair) => pair.split("=")));
  const command = here(directive(unit, "ExecStart") ?? "").split(" ");
  const child = Bun.spawn(
    ["unshare", "-m", "sh", "-c", CONFINE, "sh", "setpriv", "--no-new-privs", ...rights, ...command],
    {
      env: {
        ...{ PATH: process.env.PATH ?? "", STATE: state, TUNABLES: directive(unit, "ProtectKernelTunables") ?? "no" },
        PROC: `hidepid=invisible${directive(unit, "ProcSubset") === "pid" ? ",subset=pid" : ""}`,
        ...Object.fromEntries(environment),
        // As its EnvironmentFile would.
        ...{ SINEW_STATE_DIR: state, SINEW_LISTEN: "127.0.0.1:0", ...variables },
      },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  running.push(child);
  const errors = new Response(child.stderr).text();
  let output = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    output += decoder.decode(chunk, { stream: true });
    const url = /^sinew \w+ ready on (\S+)$/m.exec(output)?.[1];
    if (url) return { url, status: readFileSync(`/proc/${child.pid}/status`, "utf8") };
  }
  throw new Error(`${basename(unit)} exited ${await child.exited}: ${output}${await errors}`);
}

describe.if(await confines())("the units' rights", () => {
  test.each(["sinew-agent.service", "sinew-agent-setup.service"])("are enough for a conductor and %s", async (unit) => {
    const [above, below] = ["above", "below"].map((name) => mkdtempSync(join(folder, name)));
    const conductor = await run("sinew-conductor.service", above ?? "", {});
    const invitation = await sinew(["token", "create", "--state", above ?? "", "--url", conductor.url]);
    const agent = await run(unit, below ?? "", { SINEW_JOIN: invitation.trim(), SINEW_NODE: "confined" });
    const authorization = `Bearer ${readFileSync(join(above ?? "", "operator.token"), "utf8").trim()}`;
    await until(async () => {
      const answer = await fetch(`${conductor.url}/nodes`, { headers: { authorization } });
      const { nodes } = NodeList.parse(await answer.json());
      return nodes.some(({ name, state }) => name === "confined" && state === "LIVE");
    });
    expect(conductor.status).toMatch(/^Uid:\s65534\s(.|\n)*^CapEff:\s0+$(.|\n)*^CapBnd:\s0+$(.|\n)*^NoNewPrivs:\s1$/m);
    const [uid, capabilities] = unit.includes("setup") ? ["0", "0+80004"] : ["65534", "0+200000"];
    const expected = `^Uid:\\s${uid}\\s(.|\\n)*^CapEff:\\s${capabilities}$(.|\\n)*^CapBnd:\\s${capabilities}$`;
    expect(agent.status).toMatch(new RegExp(expected, "m"));
  });
});
