import { expect, test } from "bun:test";
import { followOperation } from "../../src/client/operation.ts";
import { type Peer, PeerError } from "../../src/client/peer.ts";
import type { Operation } from "../../src/contract/operation.ts";
import { virtualWorld } from "../support/world.ts";

const UUID = "9e45a2ea-5364-4b0d-a252-bf8becaa606e";
const at = (status: Operation["status"]): Operation => ({
  uuid: UUID,
  kind: "setup",
  status,
  started_at: "2026-11-23T00:00:00.000Z",
  finished_at: status === "IN-PROGRESS" ? null : "2026-11-23T00:00:01.000Z",
  children: [],
});
const gone = () => new PeerError("unreachable", "GET unix:/x: ENOENT");

/** A peer that gives these answers, the last one for ever; each takes `ms` of the world's time. */
function peerOf(world: ReturnType<typeof virtualWorld>["world"], answers: (unknown | Error)[], ms = 1_000) {
  const asked: (string | undefined)[] = [];
  const peer: Peer = {
    endpoint: "unix:/x",
    async request({ headers }) {
      asked.push(headers?.prefer);
      await new Promise<void>((resume) => world.timer(ms, resume));
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer instanceof Error) throw answer;
      return { status: 200, body: answer, size: 1 };
    },
  };
  return { peer, asked };
}
const HOW = { deadlineMs: 5_000, maxBytes: 1_000, totalMs: 60_000, waitSeconds: 1 };

test("followOperation() tells of each answer, and ends with the finished operation", async () => {
  const { world, advance } = virtualWorld();
  const { peer, asked } = peerOf(world, [at("IN-PROGRESS"), at("IN-PROGRESS"), at("PARTIAL")]);
  const heard: Operation[] = [];
  const following = followOperation(peer, UUID, world, { ...HOW, onProgress: (operation) => heard.push(operation) });
  await advance(10_000);
  expect((await following).status).toBe("PARTIAL");
  expect(heard).toHaveLength(2);
  expect(asked).toEqual(["wait=1", "wait=1", "wait=1"]);
});

test("followOperation() bears a peer that is out of reach for a while, where it is told to", async () => {
  const { world, advance } = virtualWorld();
  const answers = () => [at("IN-PROGRESS"), gone(), new PeerError("timeout", "too slow"), at("SUCCEEDED")];
  const patient = followOperation(peerOf(world, answers()).peer, UUID, world, { ...HOW, silenceMs: 30_000 });
  const strict = followOperation(peerOf(world, answers()).peer, UUID, world, HOW).catch((error) => error);
  await advance(20_000);
  expect((await patient).status).toBe("SUCCEEDED");
  expect(await strict).toBeInstanceOf(PeerError);
});

test("followOperation() gives up on a peer that stays away, and on one that never ends", async () => {
  const { world, advance } = virtualWorld();
  const away = followOperation(peerOf(world, [gone()]).peer, UUID, world, { ...HOW, silenceMs: 30_000 });
  const endless = followOperation(peerOf(world, [at("IN-PROGRESS")]).peer, UUID, world, HOW);
  const ends = Promise.all([away, endless].map((one) => one.catch((error: PeerError) => error)));
  await advance(120_000);
  expect(await ends).toMatchObject([{ code: "unreachable" }, { code: "timeout" }]);
});

test.each([[null], [{}], [{ ...at("SUCCEEDED"), status: "DONE" }], [[]]])(
  "followOperation() takes %j for no operation",
  async (body) => {
    const { world, advance } = virtualWorld();
    const ends = followOperation(peerOf(world, [body]).peer, UUID, world, { ...HOW, silenceMs: 30_000 }).catch(
      (error) => error,
    );
    await advance(5_000);
    expect(await ends).toMatchObject({ code: "invalid" });
  },
);
