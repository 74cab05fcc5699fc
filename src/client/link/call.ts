import { SinewError } from "../../contract/problem.ts";
import type { World } from "../../world.ts";
import { MAX_BODY_HERE } from "./frames.ts";
import type { Inflow } from "./inflow.ts";
import type { Outflow } from "./outflow.ts";

/** One request and its answer, at either end. */
export class Call {
  readonly id: number;
  /** At the asking end, until the answer's head is there. */
  asked: PromiseWithResolvers<Response> | null = null;
  /** At the answering end: aborts the request that the handler has. */
  answering: AbortController | null = null;
  inflow: Inflow | null = null;
  outflow: Outflow | null = null;
  /** The small request that both ends remember by this call. */
  remembered: Remembered | null = null;
  /** At the answering end, what may stand for handling the same request once more. */
  again: Again | null = null;
  over = false;
  /** Lets go of the caller's signal. */
  forget: (() => void) | null = null;

  constructor(id: number) {
    this.id = id;
  }
}

/**
 * A request (its frame's payload) that may be said again in five bytes, and the last small answer to it, which may be
 * too. Both ends keep it by the same rule: of the requests whose body was in the frame, the last one of at most
 * MAX_REMEMBERED bytes; frames arrive in order, so both mean the same.
 */
export interface Remembered {
  request: Uint8Array;
  response: Uint8Array | null;
  /** At the asking end: nothing is under way that could change the answer. */
  answered: boolean;
  /** At the answering end: true when it has done what the request does, and `response` is its answer. */
  again: Again | null;
}

/**
 * Does once more what a request did, whose answer is the same then; false: it has to be handled. Without `differs` it is the
 * same to the byte; else these are the texts of both, head and body, and it is for this to tell whether they mean the same.
 */
export type Again = (differs?: { before: Uint8Array; now: Uint8Array }) => boolean;

/** Two of these are what an idle link holds. */
export const MAX_REMEMBERED = 4 * 1024;

export const remember = (payload: Uint8Array): Remembered => ({
  request: payload.slice(),
  response: null,
  answered: false,
  again: null,
});

/** Whether this request (null: the same to the byte) has been done by doing the remembered one again, with its answer. */
export const doneAgain = ({ request, again }: Remembered, payload: Uint8Array | null): boolean =>
  (payload?.length ?? 0) <= MAX_REMEMBERED &&
  (again?.(payload ? { before: request, now: payload } : undefined) ?? false);

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
};

export interface Link {
  /**
   * Sends a request to the far end's handler; of the URL only path and query travel. Rejects with a SinewError
   * `unavailable` when the link is or gets closed, or too many calls are under way; with the signal's reason when it aborts.
   */
  readonly fetch: World["fetch"];
  /** Resolves with the reason once the link is closed. */
  readonly closed: Promise<string>;
  close(reason: string): void;
}

export type Handle = (request: Request, repeat: (again: Again) => void) => Promise<Response> | Response;

export interface LinkOptions {
  /** Who dialled: the two sides number their calls differently. */
  side: "dialler" | "acceptor";
  /** Answers what the far end asks; `repeat` takes what may stand for it should such a small request come again. */
  handle: Handle;
  world: Pick<World, "timer" | "monotonic" | "log">;
  limits?: Partial<Limits>;
}

export interface Limits {
  /** Calls under way that this end began; more are refused. Of the far end's, twice as many are taken. */
  calls: number;
  /** Bytes the socket may have queued before bodies and answers wait, */
  buffered: number;
  /** and before the link is given up, for what can't wait. */
  hardBuffered: number;
  /** Silence of the far end while it owes an answer. */
  deadAfterMs: number;
}

export const DEFAULTS: Limits = {
  calls: 64,
  buffered: 256 * 1024,
  hardBuffered: 8 * 1024 * 1024,
  deadAfterMs: 90_000,
};

const encoder = new TextEncoder();

/** A body that is known now and fits into the frame of its head. */
export function smallBody(body: unknown): Uint8Array | null {
  const bytes = typeof body === "string" ? encoder.encode(body) : body instanceof Uint8Array ? body : null;
  return bytes && bytes.length <= MAX_BODY_HERE ? bytes : null;
}

export const closedError = (reason: string) => new SinewError("unavailable", `the link is closed: ${reason}`);
