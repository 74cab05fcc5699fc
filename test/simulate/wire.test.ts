import { expect, test } from "bun:test";
import { encodeFrame } from "../../src/client/link/frames.ts";
import type { Socket } from "../../src/client/link/socket.ts";
import { Clock } from "./clock.ts";
import { Dice } from "./dice.ts";
import { Journal } from "./journal.ts";
import { Network } from "./network.ts";
import { Machine, Process } from "./process.ts";

const message = (text: string) => encodeFrame("handshake", 0, new TextEncoder().encode(text));
const numbers = Array.from({ length: 20 }, (_, number) => `${number}`);

/** A connection between two processes, and what its acceptor has heard. */
async function connected(seed: string) {
  const clock = new Clock();
  const dice = new Dice(seed);
  const journal = new Journal(clock, {});
  const network = new Network(clock, dice.fork("network"), journal);
  const stage = { clock, dice, journal, network };
  const near = new Process("near", new Machine("10.0.0.1"), 1, stage);
  const far = new Process("far", new Machine("10.0.0.2"), 1, stage);
  const heard: string[] = [];
  const ends: string[] = [];
  let acceptor: Socket | null = null;
  const accept = (socket: Socket) => {
    acceptor = socket;
    socket.onMessage = (bytes) => heard.push(new TextDecoder().decode(bytes.subarray(5)));
    socket.onClose = (reason) => ends.push(`far: ${reason}`);
  };
  const run = near.begin();
  far.begin().fetch = (_, { upgrade }) => upgrade?.(accept) ?? new Response(null, { status: 500 });
  const dialled = network.connect(stage, run, "ws://10.0.0.2:1/link", { deadlineMs: 5_000 });
  const pass = (ms: number) => clock.runUntil(clock.now + ms, () => false);
  await pass(100);
  const socket = await dialled;
  socket.onClose = (reason) => ends.push(`near: ${reason}`);
  const cut = () => {
    network.weather = [{ on: () => true, loss: 1, twice: 0, slowMs: 0 }];
    return () => {
      network.weather = [];
    };
  };
  return { network, near, far, socket, acceptor: () => acceptor as Socket | null, heard, ends, pass, cut };
}

test("Messages come in their order, however late each is, and those of a partition after it", async () => {
  const { network, socket, heard, ends, pass, cut } = await connected("order");
  network.weather = [{ on: () => true, loss: 0.3, twice: 0.5, slowMs: 5_000 }];
  for (const number of numbers) socket.send(message(number));
  await pass(600_000);
  expect(heard).toEqual(numbers);
  const mend = cut();
  for (const number of numbers) expect(socket.send(message(number))).toBe(true);
  expect(socket.buffered).toBeGreaterThan(0);
  await pass(10_000);
  expect(heard).toEqual(numbers);
  mend();
  await pass(60_000);
  expect(heard).toEqual([...numbers, ...numbers]);
  expect(socket.buffered).toBe(0);
  expect(ends).toEqual([]);
});

test("A partition that lasts ends the connection where something waits, and the other end when it says something", async () => {
  const { socket, acceptor, heard, ends, pass, cut } = await connected("timeout");
  const mend = cut();
  socket.send(message("lost"));
  await pass(1_000_000);
  mend();
  expect(ends).toEqual(["near: the connection timed out"]);
  await pass(60_000);
  expect(ends).toHaveLength(1);
  expect(socket.send(message("no"))).toBe(false);
  acceptor()?.send(message("is anybody there?"));
  await pass(60_000);
  expect(ends).toEqual(["near: the connection timed out", "far: the connection was reset"]);
  expect(heard).toEqual([]);
});

test("Whoever stands still hears all when it goes on; what was sent before an end comes before it", async () => {
  const { near, far, socket, heard, ends, pass } = await connected("pause");
  far.pause();
  for (const number of numbers) socket.send(message(number));
  await pass(60_000);
  expect(heard).toEqual([]);
  socket.close(1000, "enough");
  far.resume();
  await pass(60_000);
  expect(heard).toEqual(numbers);
  expect(ends.sort()).toEqual(["far: enough", "near: enough"]);
  near.run?.end();
});

test("Of a process that is killed the other end hears at once, or when it says something to the next one", async () => {
  const found = new Set<string>();
  for (let seed = 0; seed < 20; seed += 1) {
    const { near, acceptor, ends, pass } = await connected(`killed ${seed}`);
    near.run?.end();
    await pass(10_000);
    const atOnce = ends.length === 1;
    near.begin();
    acceptor()?.send(message("are you there?"));
    await pass(10_000);
    expect(ends).toEqual(["far: the connection was reset"]);
    found.add(atOnce ? "at once" : "later");
  }
  expect([...found].sort()).toEqual(["at once", "later"]);
});
