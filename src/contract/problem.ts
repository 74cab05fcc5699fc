import { z } from "zod";

/**
 * Every error a tier can answer: `code` is API and is never renamed or reused.
 * The status and title follow from it (RFC 9457).
 */
export const PROBLEMS = {
  invalid: [400, "The request is not valid"],
  unauthorized: [401, "Who you are is not known"],
  forbidden: [403, "You may not do this"],
  not_found: [404, "There is no such resource"],
  method_not_allowed: [405, "This resource has no such method"],
  version_unsupported: [406, "This API version is not spoken here"],
  node_conflict: [409, "Two machines claim one node id"],
  api_version: [409, "No API version is spoken by both sides"],
  ambiguous_uuid: [409, "More than one device has this uuid"],
  setup_refused: [409, "The setup would do harm"],
  busy: [409, "The resource is busy"],
  epoch: [410, "That revision belongs to another history"],
  too_old: [410, "That position is no longer kept"],
  too_large: [413, "The request body is too large"],
  unsupported_media_type: [415, "The request body is not JSON"],
  rate_limited: [429, "Too many requests"],
  internal: [500, "Something went wrong here"],
  peer_failed: [502, "A peer answered with an error"],
  unavailable: [503, "Not available at present"],
  peer_timeout: [504, "A peer did not answer in time"],
} as const satisfies Record<string, readonly [status: number, title: string]>;
export type ProblemCode = keyof typeof PROBLEMS;

const codes = Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]];

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(codes),
    detail: z.string(),
    request_id: z.string(),
    errors: z
      .array(
        z.object({
          pointer: z.string().meta({ description: "JSON pointer, or the parameter's name" }),
          detail: z.string(),
        }),
      )
      .optional(),
  })
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof Problem>;

/** The one error class. `detail` is for the caller; `cause` is for the log only. */
export class SinewError extends Error {
  readonly code: ProblemCode;
  readonly errors: Problem["errors"];
  /** Seconds after which the same request may succeed. */
  readonly retryAfter: number | undefined;
  constructor(
    code: ProblemCode,
    detail: string,
    options: { cause?: unknown; errors?: Problem["errors"]; retryAfter?: number | undefined } = {},
  ) {
    super(detail, { cause: options.cause });
    this.name = "SinewError";
    this.code = code;
    this.errors = options.errors;
    this.retryAfter = options.retryAfter;
  }
}
