import { z } from "zod";
import { PeerError } from "../../../client/peer.ts";
import { SourceErrorCode } from "../../../contract/hardware.ts";
import { OperationStatus } from "../../../contract/operation.ts";
import { PROBLEMS, type ProblemCode, SinewError } from "../../../contract/problem.ts";

/** What is asked of a node that another conductor has. */
export const Question = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("request"),
    method: z.enum(["GET", "POST"]).optional(),
    path: z.string(),
    body: z.unknown().optional(),
    headers: z.record(z.string(), z.string()).optional(),
    deadlineMs: z.number(),
    maxBytes: z.number(),
  }),
  z.object({ kind: z.literal("discover"), deadlineMs: z.number() }),
]);
export type Question = z.infer<typeof Question>;

/** Looser than what this version knows: a conductor of a later one may say more. */
const Answer = z.union([
  z.object({ value: z.unknown() }),
  z.object({
    peer: z.object({ code: z.string(), message: z.string(), status: z.number().nullable(), problem: z.any() }),
  }),
  z.object({ problem: z.object({ code: z.string(), detail: z.string() }) }),
  z.object({ error: z.string() }),
]);

/** What keeps a node from being asked is, to whoever asks, that it is out of reach. */
export function asPeerError(error: unknown): unknown {
  if (!(error instanceof SinewError)) return error;
  const { code, message, retryAfter } = error;
  const problem = { code, detail: message, ...(retryAfter === undefined ? {} : { retry_after: retryAfter }) };
  return new PeerError("unreachable", message, { status: PROBLEMS[code][0], problem });
}

export const Discovered = z.object({ found: z.number(), status: OperationStatus, error: z.string().nullable() });
export type Discovered = z.infer<typeof Discovered>;

export const PeerAnswer = z.object({ status: z.number(), body: z.unknown(), size: z.number() });

export function sayError(error: unknown): z.infer<typeof Answer> {
  if (error instanceof PeerError) {
    const { code, message, status, problem } = error;
    return { peer: { code, message, status, problem } };
  }
  if (error instanceof SinewError) return { problem: { code: error.code, detail: error.message } };
  return { error: error instanceof Error ? error.message : String(error) };
}

/** What the other conductor was answered. Throws what it said that it had thrown. */
export function heard(said: unknown): unknown {
  const answer = Answer.parse(said);
  if ("value" in answer) return answer.value;
  if ("peer" in answer) {
    const code = SourceErrorCode.safeParse(answer.peer.code);
    const { message, status, problem } = answer.peer;
    throw new PeerError(code.success ? code.data : "invalid", message, { status, problem });
  }
  if ("error" in answer) throw new Error(answer.error);
  const { code, detail } = answer.problem;
  throw new SinewError(code in PROBLEMS ? (code as ProblemCode) : "unavailable", detail);
}
