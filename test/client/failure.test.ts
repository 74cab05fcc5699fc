import { afterAll, expect, test } from "bun:test";
import { createServer } from "node:net";
import { createDialer } from "../../src/client/dial.ts";
import { createPeer } from "../../src/client/peer.ts";
import { post } from "../../src/client/post.ts";
import { realWorld } from "../../src/world.ts";

/** Hangs up on whoever asks, of which Bun says more than an operator has use for. */
const rude = createServer((socket) => socket.once("data", () => socket.destroy()));
const port = await new Promise<number>((ready) => {
  rude.listen(0, "127.0.0.1", () => {
    const address = rude.address();
    ready(typeof address === "object" && address ? address.port : 0);
  });
});
afterAll(() => new Promise((closed) => rude.close(closed)));

const world = realWorld(() => {});
const base = `http://127.0.0.1:${port}`;
const ASKED: [string, () => Promise<unknown>][] = [
  [
    "a peer",
    () => createPeer({ kind: "http", base }, world).request({ path: "/", deadlineMs: 5_000, maxBytes: 1_000 }),
  ],
  [
    "a receiver",
    () => {
      const request = { body: "{}", headers: {}, deadlineMs: 5_000, signal: new AbortController().signal };
      return post(base, request, { dialer: createDialer({ allow: [], own: [] }, world), world });
    },
  ],
];

test.each(ASKED)(
  "what %s does wrong is said in one sentence, without the runtime's advice to programmers",
  async (_, ask) => {
    const error = await ask().then(
      () => null,
      (failure: unknown) => failure,
    );
    expect(error).toMatchObject({
      message: expect.stringMatching(/: The socket connection was closed unexpectedly$/),
    });
  },
);
