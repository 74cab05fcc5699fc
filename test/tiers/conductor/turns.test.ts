import { describe, expect, test } from "bun:test";
import { acceptLink, refuseLink } from "../../../src/client/link/handshake.ts";
import { holdLink } from "../../../src/client/link/redial.ts";
import { SinewError } from "../../../src/contract/problem.ts";
import { createTurns } from "../../../src/tiers/conductor/members/turns.ts";
import { type MemorySocket, memoryPair } from "../../client/link/sockets.ts";
import { virtualWorld } from "../../support/world.ts";

describe("createTurns()", () => {
  function turns(options: { atOnce: number; waiting?: number }) {
    const { world, advance, settle } = virtualWorld();
    const all = createTurns(world, options);
    const begun: number[] = [];
    const gone: number[] = [];
    const ends: (() => void)[] = [];
    const wait = (index: number, socket = memoryPair()[0]) =>
      all.wait(
        socket,
        () =>
          new Promise<void>((end) => {
            begun.push(index);
            ends[index] = end;
          }),
        () => gone.push(index),
      );
    return { wait, begun, gone, ends, advance, settle };
  }

  test("begins so many at once, and the others in their order", async () => {
    const { wait, begun, ends, settle } = turns({ atOnce: 2 });
    for (let index = 0; index < 5; index += 1) expect(wait(index)).toBe(true);
    expect(begun).toEqual([0, 1]);
    ends[1]!();
    await settle();
    expect(begun).toEqual([0, 1, 2]);
    ends[0]!();
    ends[2]!();
    await settle();
    expect(begun).toEqual([0, 1, 2, 3, 4]);
  });

  test("does nothing for a socket that has ended, or speaks before it is asked", async () => {
    const { wait, begun, gone, ends, settle } = turns({ atOnce: 1 });
    const sockets: MemorySocket[] = [];
    for (let index = 0; index < 4; index += 1) {
      const [near, far] = memoryPair();
      sockets.push(near);
      wait(index, far);
    }
    sockets[1]!.close(1000, "gives up");
    sockets[2]!.send(new Uint8Array(8));
    await settle();
    expect(gone).toEqual([1, 2]);
    expect(sockets[2]!.closedFor).toBe("expected nothing before the challenge");
    ends[0]!();
    await settle();
    expect(begun).toEqual([0, 3]);
  });

  test("lets nobody wait for long for one that says nothing, and takes no more than may wait", async () => {
    const { wait, begun, ends, advance, settle } = turns({ atOnce: 1, waiting: 2 });
    expect([0, 1, 2, 3].map((index) => wait(index))).toEqual([true, true, true, false]);
    await advance(250);
    expect(begun).toEqual([0, 1, 2]);
    // It had lost its turn, which is not given away twice.
    ends[0]!();
    await settle();
    wait(4);
    wait(5);
    expect(begun).toEqual([0, 1, 2]);
  });
});

test("a fleet that dials at once, at a conductor that looks at ten a second, is linked by one dial each", async () => {
  const { world, advance } = virtualWorld();
  const turns = createTurns(world, { atOnce: 4 });
  let looking = Promise.resolve();
  // One after the other: what takes long is the conductor's own work.
  const verify = () => {
    looking = looking.then(() => new Promise((done) => world.timer(100, done)));
    return looking;
  };
  let dials = 0;
  let verified = 0;
  const held = Array.from({ length: 300 }, () =>
    holdLink({
      connect: async () => {
        const [near, far] = memoryPair();
        dials += 1;
        const begin = () => acceptLink(far, { conductor: "c1", verify, handle: () => new Response(), world });
        turns.wait(
          far,
          () => begin().then(() => (verified += 1)),
          () => {},
        );
        return near;
      },
      prove: async () => "x",
      handle: () => new Response(),
      world,
    }),
  );
  for (const one of held) one.start();
  await advance(45_000);
  expect(held.filter(({ state }) => state.kind === "up").length).toBe(300);
  expect([dials, verified]).toEqual([300, 300]);
  for (const one of held) one.stop();
});

test("who is refused without being asked comes again when told to", async () => {
  const { world, advance, settle } = virtualWorld();
  const dialled: number[] = [];
  const held = holdLink({
    connect: async () => {
      const [near, far] = memoryPair();
      dialled.push(world.monotonic());
      setImmediate(() => refuseLink(far, new SinewError("unavailable", "too many", { retryAfter: 10 })));
      return near;
    },
    prove: async () => "x",
    handle: () => new Response(),
    world,
  });
  held.start();
  await settle();
  expect(held.state).toMatchObject({ kind: "down", error: { code: "unavailable", message: "too many" } });
  await advance(9_900);
  expect(dialled.length).toBe(1);
  await advance(200);
  expect(dialled.length).toBe(2);
  held.stop();
});
