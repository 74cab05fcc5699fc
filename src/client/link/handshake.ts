import { z } from "zod";
import { firstIssue } from "../../contract/peer.ts";
import { PROBLEMS, type ProblemCode, problemOf, SinewError } from "../../contract/problem.ts";
import type { World } from "../../world.ts";
import type { Handle, Limits, Link } from "./call.ts";
import { decodeFrame, encodeFrame, ProtocolError } from "./frames.ts";
import { createLink } from "./link.ts";
import type { Socket } from "./socket.ts";

/** From the challenge to the proof. */
const PROOF_MS = 5_000;
/** A timer that fires so late shows that this process was busy: the proof may be in its socket, unread. */
const BUSY_MS = 100;
/**
 * For the dialler, from the connection to the end: whoever accepts has a whole fleet's to look at, one after the other, and a
 * dialler that goes has spent its part for nothing.
 */
const WHOLE_MS = 60_000;
const MAX_BYTES = 4 * 1024;
/** RFC 6455, 7.4.2: 4000 to 4999 are an application's own. */
const REFUSED = 4401;

const Challenge = z.object({ nonce: z.string().min(1), conductor: z.string().min(1) });
export type Challenge = z.infer<typeof Challenge>;
const Proof = z.object({ proof: z.string() });
// Looser than Problem: a conductor of a later version may know more codes.
const Refused = z.object({
  problem: z.object({
    status: z.number(),
    code: z.string(),
    detail: z.string(),
    /** Seconds after which dialling again may help. */
    retry_after: z.number().positive().max(86_400).optional(),
  }),
});
/** A dialler may be refused before it is asked. */
const Opening = z.union([Challenge, Refused]);
const Verdict = z.union([z.object({ ok: z.literal(true) }), Refused]);

interface AcceptOptions<T> {
  conductor: string;
  /** Who the proof is of. Throws SinewError, which the dialler is told. */
  verify: (proof: string, nonce: string) => Promise<T>;
  handle: (request: Request, who: T, repeat: Parameters<Handle>[1]) => Promise<Response> | Response;
  world: Pick<World, "timer" | "monotonic" | "log">;
  limits?: Partial<Limits>;
}

/**
 * Asks who dialled, before anything else is listened to. Rejects with the SinewError that the dialler was refused with;
 * the socket is closed then.
 */
export function acceptLink<T>(socket: Socket, options: AcceptOptions<T>): Promise<{ link: Link; who: T }> {
  const { conductor, verify, handle, world, limits } = options;
  const nonce = crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url", omitPadding: true });
  return new Promise((resolve, reject) => {
    let over = false;
    let proved = false;
    const refuse = (error: SinewError) => {
      if (over) return;
      over = true;
      cancel();
      refuseLink(socket, error);
      reject(error);
    };
    let asked = world.monotonic();
    const late = () => {
      const busy = world.monotonic() - asked - PROOF_MS > BUSY_MS;
      if (!busy) return refuse(new SinewError("unauthorized", `expected a proof within ${PROOF_MS} ms`));
      asked = world.monotonic();
      cancel = world.timer(PROOF_MS, late);
    };
    let cancel = world.timer(PROOF_MS, late);
    const decide = async (proof: string) => {
      const who = await verify(proof, nonce);
      if (over) return;
      over = true;
      say(socket, { ok: true });
      resolve({ link: createLink(socket, { side: "acceptor", handle: handleOf(handle, who), world, limits }), who });
    };
    socket.onMessage = (bytes) => {
      if (over) return;
      try {
        const { proof } = hear(Proof, bytes);
        if (proved) throw new ProtocolError("a second proof");
        proved = true;
        cancel();
        decide(proof).catch((error) => refuse(asSinewError(error, world)));
      } catch (error) {
        refuse(new SinewError("invalid", `expected one proof: ${messageOf(error)}`));
      }
    };
    socket.onClose = (reason) => {
      if (over) return;
      over = true;
      cancel();
      reject(new SinewError("unavailable", `the connection ended in its handshake: ${reason}`));
    };
    say(socket, { nonce, conductor });
  });
}

/** Not made within the handshake, all of which each link would keep. */
const handleOf =
  <T>(handle: AcceptOptions<T>["handle"], who: T): Handle =>
  (request, repeat) =>
    handle(request, who, repeat);

/** Tells a dialler why there is no link for it, without asking who it is. */
export function refuseLink(socket: Socket, error: SinewError): void {
  say(socket, { problem: problemOf(error, crypto.randomUUID()) });
  socket.close(REFUSED, error.code);
}

interface OpenOptions {
  /** The signed answer to the challenge: a compact JWS. */
  prove: (challenge: Challenge) => Promise<string>;
  handle: (request: Request) => Promise<Response> | Response;
  world: Pick<World, "timer" | "monotonic" | "log">;
  limits?: Partial<Limits>;
}

/**
 * Proves who this is. Rejects, with the socket closed: with the code and detail of a refusal, or with a SinewError
 * `unavailable` or `peer_timeout` when it did not come to a verdict.
 */
export function openLink(socket: Socket, { prove, handle, world, limits }: OpenOptions): Promise<Link> {
  return new Promise((resolve, reject) => {
    let over = false;
    let challenged = false;
    const fail = (error: Error) => {
      if (over) return;
      over = true;
      cancel();
      socket.close(1000, "the handshake failed");
      reject(error);
    };
    const late = () => fail(new SinewError("peer_timeout", `no link within ${WHOLE_MS} ms of the connection`));
    const cancel = world.timer(WHOLE_MS, late);
    const answer = async (challenge: Challenge) => {
      const proof = await prove(challenge);
      if (!over) say(socket, { proof });
    };
    socket.onMessage = (bytes) => {
      if (over) return;
      try {
        if (!challenged) {
          challenged = true;
          const first = hear(Opening, bytes);
          if ("problem" in first) return fail(refusal(first.problem));
          answer(first).catch(fail);
          return;
        }
        const verdict = hear(Verdict, bytes);
        if ("problem" in verdict) return fail(refusal(verdict.problem));
        over = true;
        cancel();
        // In this very turn: the next message may be the first request.
        resolve(createLink(socket, { side: "dialler", handle, world, limits }));
      } catch (error) {
        fail(new SinewError("unavailable", `the far end broke the handshake: ${messageOf(error)}`));
      }
    };
    socket.onClose = (reason) =>
      fail(new SinewError("unavailable", `the connection ended in its handshake: ${reason}`));
  });
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

function say(socket: Socket, message: object): void {
  socket.send(encodeFrame("handshake", 0, encoder.encode(JSON.stringify(message))));
}

function hear<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  if (bytes.length > MAX_BYTES)
    throw new ProtocolError(`a handshake has at most ${MAX_BYTES} bytes, got ${bytes.length}`);
  const { type, payload } = decodeFrame(bytes);
  if (type !== "handshake") throw new ProtocolError(`a frame of type ${type} in the handshake`);
  const parsed = schema.safeParse(JSON.parse(decoder.decode(payload)));
  if (parsed.success) return parsed.data;
  const { pointer, detail } = firstIssue(parsed.error);
  throw new ProtocolError(`${pointer}: ${detail}`);
}

type Refusal = z.infer<typeof Refused>["problem"];

/** What a later version's code says is lost, its status is not. */
function refusal({ status, code, detail, retry_after }: Refusal): SinewError {
  const entries = Object.entries(PROBLEMS) as [ProblemCode, readonly [number, string]][];
  const known = entries.find(([one]) => one === code) ?? entries.find(([, [same]]) => same === status);
  return new SinewError(known?.[0] ?? "unavailable", detail, { retryAfter: retry_after });
}

function asSinewError(error: unknown, world: Pick<World, "log">): SinewError {
  if (error instanceof SinewError) return error;
  world.log("error", "who dialled could not be found out", { cause: messageOf(error) });
  return new SinewError("internal", "something went wrong here; the log has it", { cause: error });
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
