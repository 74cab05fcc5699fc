import { SinewError } from "../../contract/problem.ts";

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";

/** A serialization failure or a deadlock: the server undid the transaction and asks for it again. */
export function isRepeatable(error: unknown): boolean {
  return ["40001", "40P01"].includes(codeOf(error));
}

const LOST = /^(ECONN|ENOTFOUND|EAI_|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE|CONNECTION_|CONNECT_TIMEOUT)/;

/** The connection is gone or about to be: nothing may be sent on it any more. */
export function isLoss(error: unknown): boolean {
  const cause = error instanceof SinewError ? error.cause : error;
  // The server's own word for it, which its locale does not translate.
  if (cause instanceof Error && "severity" in cause) return cause.severity === "FATAL" || cause.severity === "PANIC";
  return LOST.test(codeOf(cause));
}

/**
 * A connection that had been good ended, as all do where the server restarts: another one may be good. Not so one that could
 * not be made.
 */
export function isEnded(error: unknown): boolean {
  const cause = error instanceof SinewError ? error.cause : error;
  return /^(ECONNRESET|EPIPE|CONNECTION_CLOSED|CONNECTION_ENDED|57P01|57P05)$/.test(codeOf(cause));
}

/** Trouble of the server, not of the request, is 503; the rest stays what it is. */
export function translate(error: unknown): unknown {
  const code = codeOf(error);
  // Class 08 connection, 53 resources (a full disk, too many connections), 57 the operator, 25P03 idle too long.
  if (!LOST.test(code) && !/^(08|53|57)...$|^25P03$/.test(code)) return error;
  return new SinewError("unavailable", "the database does not answer", { cause: error, retryAfter: 1 });
}

/** Why a database could not be opened, in one line that says what to look at. */
export function explain(error: unknown): string {
  const cause = error instanceof SinewError && error.cause ? error.cause : error;
  const code = codeOf(cause);
  const text = (cause instanceof Error ? cause.message : String(cause)).split("\n")[0];
  switch (code) {
    case "28P01":
    case "28000":
      return `the server refused the user or the password (${code})`;
    case "3D000":
      return "the server has no database of that name: create it first";
    case "42501":
      return `this user may not create tables there (${text})`;
    case "ECONNREFUSED":
      return "no server listens there (connection refused)";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "no host of that name is known";
    case "CONNECT_TIMEOUT":
      return "the server did not answer within 10 s";
    case "ERR_INVALID_URL":
      return "expected postgres://USER:PASSWORD@HOST:PORT/NAME";
    default:
      return code ? `${text} (${code})` : String(text);
  }
}
