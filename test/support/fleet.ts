import { afterAll, beforeAll } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { cleanEnv, type Ran, run } from "../cli/run.ts";
import { endAll, type RunningSinew, sinew, startSinew, until } from "./process.ts";
import { makeTree } from "./tree.ts";

export const QAT = "0000:3b:00.0";
export const GPU = "0000:5e:00.0";

/**
 * A conductor and two nodes as processes: n1 has a bus that the test changes, with a crypto card that works and a
 * GPU without its kernel driver; n2 replays docs/example-host.json; n3 (rack=r9) is expected and never comes.
 */
async function startFleet() {
  const home = mkdtempSync(join(tmpdir(), "sinew-fleet-"));
  const state = join(home, "c");
  const tree = makeTree();
  const port = { vendor: "8086", device: "352a", class: "060400", driver: "pcieport" };
  tree.add({ address: "0000:00:01.0", secondary: 0x3b, ...port });
  tree.add({ address: "0000:00:02.0", secondary: 0x5e, ...port });
  const qat = { vendor: "8086", device: "4940", class: "0b4000", revision: "40", serial: "00-a0-c9-ff-fe-12-34-56" };
  tree.add({ address: QAT, parent: "0000:00:01.0", slot: "7", driver: "4xxx", numaNode: 1, ...qat });
  tree.add({ address: GPU, parent: "0000:00:02.0", slot: "9", vendor: "10de", device: "2331", class: "030200" });
  const startConductor = (listen = "127.0.0.1:0") =>
    startSinew(
      ["--role", "conductor", "--state", state, "--lease", "3", "--alarm-hold", "0", "--listen", listen].concat([
        ...["--expect-within", "0", "--auth", "required"],
      ]),
    );
  let conductor = await startConductor();
  const following = new Set<Subprocess>();
  writeFileSync(join(home, "nodes"), "n1\nn2\nn3 rack=r9 site=ams\n");
  await sinew(["expect", "nodes", join(home, "nodes"), "--state", state]);
  const agent = async (name: string, more: string[]) => {
    const invitation = await sinew(["token", "create", "--node", name, "--state", state]);
    return startSinew(
      ["--role", "agent", "--node", name, "--state", join(home, name), "--join", invitation.trim()].concat(more),
    );
  };
  const n1 = await agent("n1", ["--sysfs", tree.sysfs]);
  const n2 = await agent("n2", ["--snapshot", "docs/example-host.json"]);
  const env = cleanEnv(home);
  /** What an operator types on the conductor's machine. */
  const type = (...args: string[]): Promise<Ran> => run([...args, "--state", state], env);
  const json = async (...args: string[]) => JSON.parse((await type(...args, "-o", "json")).out);
  await until(async () => (await json("get", "hardware")).hardware.length === 6, 20_000);
  return {
    home,
    state,
    tree,
    env,
    nodes: { n1, n2 } as Record<"n1" | "n2", RunningSinew>,
    type,
    json,
    conductor: () => conductor,
    /** As after a crash: the same address, the same state. */
    async restartConductor() {
      await conductor.stop("SIGKILL");
      conductor = await startConductor(new URL(conductor.url).host);
    },
    /** A command that goes on, with what it has printed so far. */
    follow(args: string[], terminal?: { cols: number; rows: number }, variables: Record<string, string> = {}) {
      const main = new URL("../../src/main.ts", import.meta.url).pathname;
      let out = "";
      let err = "";
      const decoder = new TextDecoder();
      const child = Bun.spawn([process.execPath, main, ...args, "--state", state], {
        env: { ...env, TERM: "xterm", ...variables },
        ...(terminal
          ? {
              terminal: {
                ...terminal,
                data: (_: unknown, data: Uint8Array) => {
                  out += decoder.decode(data, { stream: true });
                },
              },
            }
          : { stdin: "ignore", stdout: "pipe", stderr: "pipe" }),
      });
      following.add(child);
      const read = async (stream: unknown, add: (text: string) => void) => {
        if (!(stream instanceof ReadableStream)) return;
        const own = new TextDecoder();
        for await (const chunk of stream) add(own.decode(chunk as Uint8Array, { stream: true }));
      };
      const reading = Promise.all([
        read(child.stdout, (text) => {
          out += text;
        }),
        read(child.stderr, (text) => {
          err += text;
        }),
      ]);
      return {
        out: () => out,
        err: () => err,
        /** What is typed at its terminal. */
        type: (text: string) => void child.terminal?.write(text),
        code: async () => {
          await Promise.all([child.exited, reading]);
          return child.exitCode;
        },
        async stop() {
          child.kill("SIGTERM");
          await child.exited;
        },
      };
    },
    remove() {
      // Of a test that failed.
      for (const child of following) child.kill("SIGKILL");
      tree.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
export type Fleet = Awaited<ReturnType<typeof startFleet>>;

/** One for all tests of a file: `begun` has it once it is there, and it ends with them. */
export function useFleet(begun: (fleet: Fleet) => void | Promise<void>): void {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await startFleet();
    await begun(fleet);
  }, 60_000);
  afterAll(async () => {
    await endAll();
    fleet.remove();
  });
}
