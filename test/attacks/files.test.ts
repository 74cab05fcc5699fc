import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanEnv, lines, run } from "../cli/run.ts";
import { makeLab, type Started } from "./support.ts";

const main = join(import.meta.dir, "../../src/main.ts");

describe("files of the state directory", () => {
  const lab = makeLab();
  const env = cleanEnv(lab.home);
  let conductor: Started;
  let invitation = "";

  beforeAll(async () => {
    conductor = await lab.startConductor("c");
    invitation = (await lab.makeToken(conductor, { role: "agent", uses: 9 })).join ?? "";
    const agent = await lab.start("agent", "n", ["--drivers", "none", "--join", invitation]);
    await lab.ask(agent, "/tokens", { body: { role: "driver", bound_to: "mine" } });
    await agent.stop("SIGTERM");
  });
  afterAll(() => lab.close());

  /** The stderr of a start with one file of a copy of the state changed. */
  async function startWith(
    change: (state: string) => void,
    role = "agent",
    from = "n",
  ): Promise<{ code: number; err: string }> {
    const state = lab.path(crypto.randomUUID());
    cpSync(lab.path(from), state, { recursive: true });
    change(state);
    const own = role === "agent" ? ["--drivers", "none"] : ["--tls"];
    return run(["start", "--role", role, ...own, "--listen", "127.0.0.1:0", "--state", state], env);
  }

  const refused: [string, string, (state: string) => void, RegExp][] = [
    [
      "operator.token that others read",
      "agent",
      (s) => chmodSync(join(s, "operator.token"), 0o644),
      /operator\.token: expected a file that only its owner reads, found mode 0644/,
    ],
    [
      "operator.token with something else in it",
      "agent",
      (s) => writeFileSync(join(s, "operator.token"), "s3cret"),
      /operator\.token: expected an operator token, found something else/,
    ],
    [
      "node.key that others read",
      "agent",
      (s) => chmodSync(join(s, "node.key"), 0o604),
      /node\.key: expected a file that only its owner reads, found mode 0604/,
    ],
    [
      "node.key that is cut off",
      "agent",
      (s) => writeFileSync(join(s, "node.key"), readFileSync(join(s, "node.key")).subarray(0, 60)),
      /node\.key: expected an Ed25519 private key/,
    ],
    [
      "CA key that a group reads",
      "conductor",
      (s) => chmodSync(join(s, "tls", "ca.key"), 0o640),
      /ca\.key: expected a file that only its owner can read \(0600\), found 0640/,
    ],
    [
      "CA key that is none",
      "conductor",
      (s) => writeFileSync(join(s, "tls", "ca.key"), "s3cret"),
      /ca\.key: expected a private key as PEM/,
    ],
    [
      "CA without its key",
      "conductor",
      (s) => cpSync(join(s, "tls", "ca.crt"), join(s, "tls", "ca.key")),
      /ca\.key: expected a private key as PEM/,
    ],
  ];
  test.each(refused)("a %s is one clear line, and no start", async (_, role, change, why) => {
    const { code, err } = await startWith(change, role, role === "agent" ? "n" : "c");
    expect(code).toBe(1);
    expect(lines(err)).toEqual([expect.stringMatching(why)]);
    expect(err).not.toContain("s3cret");
  });

  test("a joined.json or tokens.json that is damaged is set aside with one line, and nobody is let in by it", async () => {
    for (const text of ["{", '{"version":1,"tokens":[{"id":"x"}],"url":7}']) {
      const state = `damaged-${text.length}`;
      cpSync(lab.path("n"), lab.path(state), { recursive: true });
      for (const file of ["joined.json", "tokens.json"]) writeFileSync(lab.path(state, file), text);
      const agent = await lab.start("agent", state, ["--drivers", "none"]);
      for (const file of ["joined.json", "tokens.json"]) {
        expect(agent.log()).toMatch(new RegExp(`${file} is .*; it is set aside as .*${file}\\.corrupt`));
        expect(readFileSync(lab.path(state, `${file}.corrupt`), "utf8")).toBe(text);
      }
      expect(((await (await lab.ask(agent, "/tokens")).json()) as { tokens: unknown[] }).tokens).toEqual([]);
      await agent.stop("SIGKILL");
    }
  });

  test("a join token that is damaged is refused, and nothing of it is said", async () => {
    const secret = invitation.slice(20);
    for (const damaged of [`${invitation}!`, `${invitation}x`, invitation.slice(0, -9), invitation.toUpperCase()]) {
      const { code, err } = await run(["start", "--role", "agent", "--state", lab.path("x"), "--join", damaged], env);
      expect(code).toBe(2);
      expect(err).toContain("expected a join token");
      expect([damaged, err.includes(secret.slice(0, 40))]).toEqual([damaged, false]);
    }
  });

  /** A file system of its own, which ends with the process: nothing of this machine is touched. */
  const isRoot = process.getuid?.() === 0;
  const onFullDisk = async (kilobytes: number, fill: string, command: string[]) => {
    const mount = lab.path(`disk-${crypto.randomUUID()}`);
    const script = `mkdir -p "$0" && mount -t tmpfs -o size=${kilobytes}k,mode=700 tmpfs "$0" && ${fill}; "$@" >&2; echo "exit $?"; find "$0" -type f ! -name '*.lock' -size -1k -o -type f -name '*.tmp'`;
    const child = Bun.spawn(
      ["unshare", "-m", "sh", "-c", script, mount, ...command.map((word) => word.replace("DISK", mount))],
      { env, stdout: "pipe", stderr: "pipe", stdin: "ignore" },
    );
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    await child.exited;
    return { out, err };
  };
  const sinewOn = (...args: string[]) => ["timeout", "20", process.execPath, main, ...args];
  const start = (role: string, ...more: string[]) =>
    sinewOn("start", "--role", role, "--state", "DISK/s", "--listen", "127.0.0.1:0", ...more);
  /** All but so many blocks of 4 kB is taken. */
  const leaving = (blocks: number, total: number) => `head -c ${(total - blocks * 4) * 1024} /dev/zero >"$0/full"`;

  test.skipIf(!isRoot)(
    "on a disk that is full: a first start says so in one line, and leaves no half file",
    async () => {
      for (const blocks of [0, 1, 2, 3]) {
        const { out, err } = await onFullDisk(
          256,
          leaving(blocks, 256),
          start("agent", "--drivers", "none", "--join", invitation),
        );
        expect([blocks, out.trim()]).toEqual([blocks, "exit 1"]);
        expect(lines(err).at(-1)).toMatch(/^sinew: .*the disk is full \(ENOSPC\)$/);
      }
    },
  );

  test.skipIf(!isRoot)(
    "on a disk that is full: a token that cannot be kept is not made, and none of before is lost",
    async () => {
      const create = (name: string) =>
        `"$1" "$2" token create --role driver --name ${name} --state "$0/s" >"$0/out" 2>&1; echo "$? $(wc -w <"$0/out")" >&2`;
      const script = [
        `"$1" "$2" start --role agent --drivers none --state "$0/s" --listen 127.0.0.1:0 >/dev/null 2>&1 & pid=$!`,
        `for i in $(seq 200); do [ -s "$0/s/agent.url" ] && break; sleep 0.05; done; touch "$0/out"; ${create("first")}`,
        `cat /dev/zero >"$0/full" 2>/dev/null; "$1" "$2" token create --role driver --name second --state "$0/s" >&2; echo "exit $?" >&2`,
        `rm "$0/full"; "$1" "$2" token list --state "$0/s" >&2; kill $pid; wait $pid; cat "$0/s/tokens.json" >&2; exit 0`,
      ].join("\n");
      const { err } = await onFullDisk(512, "true", ["sh", "-c", script, "DISK", process.execPath, main]);
      expect(err).toMatch(/^0 1\n/);
      expect(err).toMatch(/sinew: http:\S+ answered 50[03]: .*\nexit 1\n/);
      expect(err).toContain("first");
      expect(err).not.toContain("second");
      expect(err).toContain('{"version":1,"tokens":[{');
    },
  );

  test("no temporary file of a secret is left", () => {
    for (const state of ["c", "n"])
      expect(readdirSync(lab.path(state)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});
