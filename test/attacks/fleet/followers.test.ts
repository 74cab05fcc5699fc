import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeList } from "../../../src/contract/node.ts";
import { endAll, type RunningSinew, startSinew, until } from "../../support/process.ts";
import { nth, source } from "../../tiers/conductor/inventory/support.ts";

const FOLLOWERS = 1_000;
const CHANGES = 50;
/** Of one address a conductor takes 256 requests at once. */
const ADDRESSES = 8;
const DEVICES = 2_000;
/** One that changes thousands of devices is not asked again for seconds: they take turns. */
const NODES = 30;
const MEGABYTE = 2 ** 20;

const home = mkdtempSync(join(tmpdir(), "sinew-followers-"));
/** With none at first: each change goes to every follower. */
let generation = 0;
const agent = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: () =>
    Response.json({
      hardware: Array.from({ length: generation === 0 ? 0 : DEVICES }, (_, n) => ({
        uuid: nth(n),
        name: `card ${generation}`,
        source: "gpu",
      })),
      sources: [source("gpu", "OK", generation === 0 ? 0 : DEVICES)],
      generation: `g${generation}`,
    }),
});
afterAll(async () => {
  await endAll();
  await agent.stop(true);
  rmSync(home, { recursive: true, force: true });
});

const say = async ({ url }: RunningSinew, n: number, more: object) => {
  const hello = {
    ...{
      status: "READY",
      endpoint: `http://127.0.0.1:${agent.port}/${n}`,
      api: { min: "1.0", max: "1.0" },
      boot_id: "b",
    },
    ...{ node: { id: nth(n, 9), name: `n${n}` }, generation: `g${generation}`, ...more },
  };
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(hello) };
  expect((await fetch(`${url}/hello`, init)).status).toBe(200);
};
const open = ({ pid }: RunningSinew) => readdirSync(`/proc/${pid}/fd`).length;
const resident = ({ pid }: RunningSinew) =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

interface Follower {
  socket: Socket;
  revisions: number[];
  ended: boolean;
}

/** Follows from a revision; what it is told it keeps the revisions of. */
function follow({ url }: RunningSinew, since: number, from: string): Promise<Follower> {
  const { port, host } = new URL(url);
  const socket = connect({ host: "127.0.0.1", port: Number(port), localAddress: from });
  const follower: Follower = { socket, revisions: [], ended: false };
  let rest = "";
  const { promise, resolve, reject } = Promise.withResolvers<Follower>();
  socket.setEncoding("latin1");
  socket.on("error", reject);
  socket.on("close", () => {
    follower.ended = true;
    reject(new Error("closed"));
  });
  socket.on("connect", () =>
    socket.write(`GET /changes?since=${since} HTTP/1.1\r\nHost: ${host}\r\nAccept: text/event-stream\r\n\r\n`),
  );
  socket.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("event: epoch")) resolve(follower);
      else if (line.startsWith("id: ")) follower.revisions.push(Number(line.slice(4)));
    }
  });
  return promise;
}
const revisionOf = async ({ url }: RunningSinew) =>
  NodeList.parse(await (await fetch(`${url}/nodes`)).json()).revision ?? 0;

test.if(process.platform === "linux")(
  "a thousand followers are told every change once, one that never reads is closed, and nothing of them stays",
  async () => {
    const conductor = await startSinew(["--role", "conductor", "--state", join(home, "c"), "--lease", "60"]);
    await say(conductor, 1, {});
    const settled = async () => {
      const before = await revisionOf(conductor);
      await Bun.sleep(300);
      return before > 0 && before === (await revisionOf(conductor));
    };
    await until(settled, 30_000);
    const before = { open: open(conductor), resident: resident(conductor) };

    const since = await revisionOf(conductor);
    const followers = await Promise.all(
      Array.from({ length: FOLLOWERS }, (_, n) => follow(conductor, since, `127.0.0.${2 + (n % ADDRESSES)}`)),
    );
    expect(open(conductor)).toBeGreaterThanOrEqual(before.open + FOLLOWERS);
    for (let n = 0; n < CHANGES; n += 1) await say(conductor, 1, { status: n % 2 === 0 ? "LEAVING" : "READY" });
    await until(settled, 30_000);
    // Not the newest revision: one that was taken back, or is an alarm's that is pending, is no change.
    const answer = await fetch(`${conductor.url}/changes?since=${since}&limit=1000`);
    const { changes } = (await answer.json()) as { changes: { revision: number }[] };
    const newest = changes.at(-1)?.revision ?? 0;
    expect(newest).toBeGreaterThan(since);
    await until(() => followers.every(({ revisions }) => (revisions.at(-1) ?? 0) >= newest), 30_000);
    const [first] = followers;
    expect(first?.revisions.length).toBeGreaterThanOrEqual(CHANGES);
    expect(first?.revisions).toEqual([...new Set(first?.revisions)].sort((a, b) => a - b));
    for (const { revisions, ended } of followers) {
      if (revisions.join() !== first?.revisions.join()) expect(revisions).toEqual(first?.revisions ?? []);
      expect(ended).toBe(false);
    }
    expect(resident(conductor) - before.resident).toBeLessThan(250 * MEGABYTE);
    for (const { socket } of followers) socket.destroy();
    await until(() => open(conductor) <= before.open + 4, 30_000);

    // Its place leaves the pages that all share while it takes nothing, however much the network holds for it.
    const reader = await follow(conductor, newest, "127.0.0.2");
    const beside = open(conductor);
    const stalled = await follow(conductor, newest, "127.0.0.3");
    stalled.socket.pause();
    const limit = generation + 60;
    while (open(conductor) > beside && generation < limit) {
      const at = reader.revisions.length;
      generation += 1;
      await say(conductor, 2 + (generation % NODES), {});
      await until(() => reader.revisions.length >= at + DEVICES, 30_000);
    }
    const end = await revisionOf(conductor);
    stalled.socket.resume();
    await until(() => stalled.ended, 30_000);
    expect(stalled.revisions.at(-1) ?? 0).toBeLessThan(end);
    expect(reader.ended).toBe(false);
    expect(resident(conductor) - before.resident).toBeLessThan(350 * MEGABYTE);
    reader.socket.destroy();
    await until(() => open(conductor) <= before.open + 4, 30_000);
    expect(await conductor.stop("SIGTERM")).toBe(0);
  },
  120_000,
);
