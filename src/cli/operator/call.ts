import { ACTOR_HEADER } from "../../contract/version.ts";
import { Away, codeOf, Exit, reasonOf } from "../exit.ts";
import { withoutProxies } from "../host/proxy.ts";
import { printable } from "../text.ts";
import { hintOf } from "./hint.ts";
import { type Where, wayTo } from "./way.ts";

const DEADLINE_MS = 30_000;
/** Codes of a certificate whose CA is not believed, as OpenSSL names them. */
const UNKNOWN_CA =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?)|CERT_SIGNATURE_FAILURE|CERT_UNTRUSTED)$/;
/** Larger than any answer to a command; whoever has taken the port of a tier may go on forever. */
const MAX_BYTES = 64 * 1024 * 1024;

interface Asked {
  method?: string;
  path: string;
  body?: unknown;
  prefer?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Sends a request to the tier as its operator; the answer, whatever it is, is the caller's to read. Throws Exit. */
export async function send(
  where: Where,
  { method = "GET", path, body, prefer, headers, signal }: Asked,
): Promise<{ url: string; response: Response }> {
  withoutProxies(process.env, () => {});
  const { url, endpoint, fetch, token, actor } = await wayTo(where);
  const base = endpoint.kind === "unix" ? "http://localhost" : endpoint.base;
  const authorization = `Bearer ${await token()}`;
  try {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: {
        ...headers,
        authorization,
        // Who reads leaves no trace.
        ...(actor === null || method === "GET" ? {} : { [ACTOR_HEADER]: encodeURIComponent(actor.toWellFormed()) }),
        ...(prefer ? { prefer } : {}),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "manual",
      ...(signal === undefined ? {} : { signal }),
      ...(endpoint.kind === "unix" ? { unix: endpoint.path } : {}),
    });
    return { url, response };
  } catch (error) {
    throw unreachable(url, error);
  }
}

function unreachable(url: string, error: unknown): Exit {
  const hint = UNKNOWN_CA.test(codeOf(error) ?? "") ? "; --ca FILE names the CA that signed its certificate" : "";
  const said = `cannot reach ${url}: ${printable(reasonOf(error))}${hint}`;
  return hint === "" ? new Away(said) : new Exit(1, said);
}

/**
 * Asks the tier as its operator. Throws Exit 1 with the tier's own words where it refuses, or with those that `refusal`
 * makes of its problem document. `now`: the time of its clock, where it says so.
 */
export async function call(
  where: Where,
  { refusal, ...request }: Asked & { refusal?: (problem: object) => string | null },
): Promise<{ status: number; body: unknown; now: number | null }> {
  const { url, response } = await send(where, { ...request, signal: AbortSignal.timeout(DEADLINE_MS) });
  let text: string;
  try {
    text = await textOf(response);
  } catch (error) {
    throw unreachable(url, error);
  }
  const answer = parseJson(text);
  if (response.ok && (answer !== null || text === "")) {
    const now = Date.parse(response.headers.get("date") ?? "");
    return { status: response.status, body: answer, now: Number.isNaN(now) ? null : now };
  }
  if (response.ok) throw new Exit(1, `${url} answered ${response.status} with something that is not JSON`);
  const words = refusal?.(typeof answer === "object" && answer !== null ? answer : {}) ?? null;
  throw words === null ? refused(where, url, response.status, answer) : new Exit(1, words);
}

/** A refusal in the tier's own words, with what mends it. */
export function refused(where: Where, url: string, status: number, answer: unknown): Exit {
  const { detail } = (answer ?? {}) as { detail?: unknown };
  const said = typeof detail === "string" ? printable(detail) : "and did not say why";
  const words = `${url} answered ${status}: ${said}${hintOf(status, said, where)}`;
  return status >= 500 || status === 429 ? new Away(words) : new Exit(1, words);
}

/** All of an answer. Throws Error where it has no end. */
export async function textOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_BYTES) throw new Error(`expected at most ${MAX_BYTES} bytes, got more`);
  }
  return text + decoder.decode();
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the status says it
  }
}

/** Reads of the tier by their paths alone. */
export const asking =
  (where: Where) =>
  async (path: string): Promise<unknown> =>
    (await call(where, { path })).body;
