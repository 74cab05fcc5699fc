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
  ambiguous_name: [409, "More than one node has this name"],
  name_taken: [409, "Another node has this name"],
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

/** What every error is answered with (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: ProblemCode;
  detail: string;
  request_id: string;
  errors?: { pointer: string; detail: string }[] | undefined;
  /** Seconds, as in the header Retry-After. */
  retry_after?: number | undefined;
  /** too_old: list again, then ask for changes since this revision. */
  revision?: number | undefined;
}

/** The one error class. `detail` is for the caller; `cause` is for the log only. */
export class SinewError extends Error {
  readonly code: ProblemCode;
  readonly errors: Problem["errors"];
  /** Seconds after which the same request may succeed. */
  readonly retryAfter: number | undefined;
  readonly revision: number | undefined;
  constructor(
    code: ProblemCode,
    detail: string,
    options: { cause?: unknown; errors?: Problem["errors"]; retryAfter?: number | undefined; revision?: number } = {},
  ) {
    super(detail, { cause: options.cause });
    this.name = "SinewError";
    this.code = code;
    this.errors = options.errors;
    this.retryAfter = options.retryAfter;
    this.revision = options.revision;
  }
}

/** An error as it is answered; the status and the title follow from its code. */
export function problemOf({ code, message, errors, retryAfter, revision }: SinewError, request_id: string): Problem {
  const [status, title] = PROBLEMS[code];
  return {
    type: `urn:sinew:problem:${code}`,
    title,
    status,
    code,
    detail: message,
    request_id,
    ...(errors ? { errors } : {}),
    ...(retryAfter === undefined ? {} : { retry_after: Math.ceil(retryAfter) }),
    ...(revision === undefined ? {} : { revision }),
  };
}

/** The same where no route answers: a listener, a link, a tier that has not started. */
export function problemResponse(
  error: SinewError,
  headers: Record<string, string> = {},
  request_id: string = crypto.randomUUID(),
): Response {
  const body = problemOf(error, request_id);
  return new Response(JSON.stringify(body), {
    status: body.status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(body.retry_after === undefined ? {} : { "retry-after": String(body.retry_after) }),
      ...headers,
    },
  });
}
