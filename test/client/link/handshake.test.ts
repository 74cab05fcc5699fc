import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeFrame, encodeFrame } from "../../../src/client/link/frames.ts";
import { acceptLink, openLink } from "../../../src/client/link/handshake.ts";
import { SinewError } from "../../../src/contract/problem.ts";
import { virtualWorld } from "../../support/world.ts";
import { memoryPair, testWorld, until } from "./sockets.ts";

const handle = () => new Response("here");
const text = (bytes: Uint8Array) => new TextDecoder().decode(decodeFrame(bytes).payload);
const said = (message: unknown) => encodeFrame("handshake", 0, new TextEncoder().encode(JSON.stringify(message)));

/** A signer of the test's own; the program's is in src/auth. */
async function signer() {
  const pair = (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
  const encoder = new TextEncoder();
  return {
    prove: async ({ nonce, conductor }: { nonce: string; conductor: string }) =>
      Buffer.from(
        await crypto.subtle.sign("Ed25519", pair.privateKey, encoder.encode(`${nonce}.${conductor}`)),
      ).toString("hex"),
    verify: async (proof: string, nonce: string) => {
      const signed = encoder.encode(`${nonce}.c1`);
      if (!(await crypto.subtle.verify("Ed25519", pair.publicKey, Buffer.from(proof, "hex"), signed))) {
        throw new SinewError("unauthorized", "the signature is not this key's");
      }
      return { node: "n1" };
    },
  };
}

describe("acceptLink() and openLink()", () => {
  test("make a link for who proves its key, whom every handler is told of", async () => {
    const [near, far] = memoryPair();
    const { world } = testWorld();
    const { prove, verify } = await signer();
    const accepting = acceptLink(far, {
      conductor: "c1",
      verify,
      handle: (_, { node }) => new Response(`hello ${node}`),
      world,
    });
    const link = await openLink(near, { prove, handle, world });
    const accepted = await accepting;
    expect(accepted.who).toEqual({ node: "n1" });
    expect(await (await link.fetch("http://x/")).text()).toBe("hello n1");
    expect(await (await accepted.link.fetch("http://x/")).text()).toBe("here");
  });

  test("send a new nonce of 32 bytes each time", async () => {
    const nonces = [0, 1].map(() => {
      const [near, far] = memoryPair();
      acceptLink(far, { conductor: "c1", verify: async () => null, handle, world: testWorld().world }).catch(() => {});
      near.close(1000, "");
      return JSON.parse(text(far.sent[0]!)).nonce as string;
    });
    expect(nonces[0]).not.toBe(nonces[1]);
    for (const nonce of nonces) expect(Buffer.from(nonce, "base64url").length).toBe(32);
  });

  test("refuse a proof of another nonce or key, with the problem's code and detail", async () => {
    const { prove, verify } = await signer();
    const other = await signer();
    for (const wrong of [
      other.prove,
      ({ conductor }: { conductor: string }) => prove({ nonce: "replayed", conductor }),
      ({ nonce }: { nonce: string }) => prove({ nonce, conductor: "another conductor" }),
    ]) {
      const [near, far] = memoryPair();
      const { world } = testWorld();
      const accepting = acceptLink(far, { conductor: "c1", verify, handle, world });
      const expected = { name: "SinewError", code: "unauthorized", message: "the signature is not this key's" };
      const opening = openLink(near, { prove: wrong, handle, world });
      await Promise.all([
        expect(accepting).rejects.toMatchObject(expected),
        expect(opening).rejects.toMatchObject(expected),
      ]);
      await until(() => near.closedFor !== null && far.closedFor !== null, "both are closed");
    }
  });

  test("tell a conflict as it is, a code of a later version by its status, and a failure without its cause", async () => {
    const { world, logged } = testWorld();
    const refusedWith = async (error: Error) => {
      const [near, far] = memoryPair();
      const verify = () => Promise.reject(error);
      acceptLink(far, { conductor: "c1", verify, handle, world }).catch(() => {});
      return openLink(near, { prove: async () => "x", handle, world }).catch((refusal) => refusal as SinewError);
    };
    expect(await refusedWith(new SinewError("node_conflict", "two machines"))).toMatchObject({
      code: "node_conflict",
      message: "two machines",
    });
    const failure = await refusedWith(new Error("the secret cause"));
    expect(failure).toMatchObject({ code: "internal" });
    expect(JSON.stringify(failure)).not.toContain("secret");
    expect(logged[0]?.fields?.cause).toBe("the secret cause");

    const [near, far] = memoryPair();
    far.onMessage = () => far.send(said({ problem: { status: 403, code: "of_the_future", detail: "no" } }));
    far.send(said({ nonce: "n", conductor: "c1" }));
    await expect(openLink(near, { prove: async () => "x", handle, world })).rejects.toMatchObject({
      code: "forbidden",
      message: "no",
    });
  });

  test("give up on a far end that says nothing", async () => {
    const { world, advance } = virtualWorld();
    const [near, far] = memoryPair();
    const accepting = acceptLink(far, { conductor: "c1", verify: async () => null, handle, world });
    accepting.catch(() => {}); // looked at below
    await advance(5_000);
    await expect(accepting).rejects.toMatchObject({ code: "unauthorized", message: "expected a proof within 5000 ms" });
    expect(far.closedFor).toBe("unauthorized");
    expect(near.closedFor).toBe("unauthorized");

    const [silent] = memoryPair();
    const opening = openLink(silent, { prove: async () => "x", handle, world });
    opening.catch(() => {}); // looked at below
    await advance(60_000);
    await expect(opening).rejects.toMatchObject({ code: "peer_timeout" });
    expect(silent.closedFor).not.toBeNull();
  });

  test("end with the connection, whichever step it is at", async () => {
    for (const step of [0, 1, 2]) {
      const [near, far] = memoryPair();
      const { world } = testWorld();
      const never = new Promise<string>(() => {});
      const verified = Promise.withResolvers<void>();
      const verify = () => {
        verified.resolve();
        return never;
      };
      const accepting = acceptLink(far, { conductor: "c1", verify, handle, world });
      const proved = Promise.withResolvers<void>();
      const prove = () => {
        proved.resolve();
        return step === 1 ? never : Promise.resolve("x");
      };
      const opening = openLink(near, { prove, handle, world });
      if (step === 1) await proved.promise;
      if (step === 2) await verified.promise;
      near.vanish("cable pulled");
      far.vanish("cable pulled");
      for (const end of [accepting, opening]) {
        await expect(end).rejects.toMatchObject({
          code: "unavailable",
          message: expect.stringContaining("cable pulled"),
        });
      }
    }
  });

  test("refuse frames before the verdict, a second proof, and one that is too long", async () => {
    for (const messages of [
      [encodeFrame("same-request", 1)],
      [said({ proof: "x" }), said({ proof: "x" })],
      [said({ proof: "x".repeat(5_000) })],
      [said({ proof: 1 })],
    ]) {
      const [near, far] = memoryPair();
      const accepting = acceptLink(far, {
        conductor: "c1",
        verify: () => new Promise(() => {}),
        handle,
        world: testWorld().world,
      });
      for (const bytes of messages) near.send(bytes);
      await expect(accepting).rejects.toMatchObject({ code: "invalid" });
      await until(() => near.closedFor !== null, "the far end is closed");
    }
  });

  test("throw nothing, whatever bytes arrive", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 60 }),
            fc.json().map((json) => encodeFrame("handshake", 0, new TextEncoder().encode(json))),
          ),
          { maxLength: 4 },
        ),
        async (pieces) => {
          const { world } = testWorld();
          const ends = [
            (socket: ReturnType<typeof memoryPair>[0]) =>
              acceptLink(socket, { conductor: "c1", verify: async () => null, handle, world }),
            (socket: ReturnType<typeof memoryPair>[0]) => openLink(socket, { prove: async () => "x", handle, world }),
          ];
          for (const end of ends) {
            const [socket] = memoryPair();
            const ended = end(socket).then(
              () => null,
              (error) => error,
            );
            for (const bytes of pieces) socket.onMessage(bytes);
            socket.vanish("over");
            const error = await ended;
            if (error !== null) expect(error).toBeInstanceOf(SinewError);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
