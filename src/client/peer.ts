import type { SourceErrorCode } from "../contract/hardware.ts";
import { API_VERSION, ASKER_HEADER, type Role, VERSION_HEADER } from "../contract/version.ts";
import type { World } from "../world.ts";
import type { Route } from "./dial.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import { failureOf } from "./failure.ts";
import { type PeerProblem, readProblem } from "./problem.ts";

/** A peer did not answer as it should: `code` is what a source's error says. */
export class PeerError extends Error {
  readonly code: SourceErrorCode;
  readonly status: number | null;
  /** What the peer itself says of its refusal; null: nothing in our words. */
  readonly problem: PeerProblem | null;
  constructor(
    code: SourceErrorCode,
    message: string,
    { status = null, problem = null }: { status?: number | null; problem?: PeerProblem | null } = {},
  ) {
    super(message);
    this.name = "PeerError";
    this.code = code;
    this.status = status;
    this.problem = problem;
  }
}

export interface PeerAnswer {
  status: number;
  body: unknown;
  /** Bytes of the body. */
  size: number;
}

export interface PeerRequest {
  method?: "GET" | "POST";
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  /** For the whole answer, body included. */
  deadlineMs: number;
  maxBytes: number;
}

export interface Peer {
  readonly endpoint: string;
  /** Sends one request and reads its JSON answer, bounded in time and size. Throws PeerError, nothing else. */
  request(request: PeerRequest): Promise<PeerAnswer>;
}

/** A fetch that knows unix sockets, as Bun's does. */
export type PeerFetch = World["fetch"];

export interface PeerOptions {
  /** The role of the tier that asks for the peer's hardware. */
  asker?: Role;
  /** The Authorization header of each request. Only for a peer that is known to be ours: none is sent without it. */
  authorize?: () => Promise<string | null>;
  /** Where to connect; whatever it throws is the peer's being unreachable. Without it: as the endpoint says. */
  route?: () => Promise<Route>;
}

/** The header of a token that is made anew for each request; null: none is shown. */
export const bearer = (token: () => Promise<string | null>) => async (): Promise<string | null> => {
  const made = await token();
  return made === null ? null : `Bearer ${made}`;
};

export function createPeer(
  endpoint: Endpoint,
  world: Pick<World, "fetch" | "timer">,
  { asker, authorize, route }: PeerOptions = {},
): Peer {
  const base = endpoint.kind === "unix" ? "http://localhost" : endpoint.base;
  const shown = formatEndpoint(endpoint);
  return {
    endpoint: shown,
    async request({ method = "GET", path, body, headers = {}, deadlineMs, maxBytes }) {
      const abort = new AbortController();
      // A page token is the peer's word, and can be long.
      const what = `${method} ${shown}${path.length > 200 ? `${path.slice(0, 200)}...` : path}`;
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      const cancel = world.timer(deadlineMs, () => {
        // Not made before it is needed: an error takes its time.
        const timedOut = new PeerError("timeout", `${what}: no complete answer within ${Math.round(deadlineMs)} ms`);
        reject(timedOut);
        abort.abort(timedOut);
      });
      aborted.catch(() => {}); // without a race to lose it is nobody's error
      try {
        const [authorization, addresses] = await Promise.race([
          Promise.all([authorize?.() ?? null, route?.() ?? null]),
          aborted,
        ]);
        const fetched = world.fetch(`${base}${path}`, {
          method,
          body: body === undefined ? undefined : JSON.stringify(body),
          headers: {
            accept: "application/json, application/problem+json",
            // A compressed answer can be a bomb: ask for none, refuse any.
            "accept-encoding": "identity",
            [VERSION_HEADER]: API_VERSION,
            ...(asker === undefined ? {} : { [ASKER_HEADER]: asker }),
            ...(body === undefined ? {} : { "content-type": "application/json" }),
            ...headers,
            ...(authorization === null ? {} : { authorization }),
          },
          redirect: "manual",
          signal: abort.signal,
          ...(endpoint.kind === "unix" ? { unix: endpoint.path } : {}),
          ...(addresses === null ? {} : { addresses }),
          // Bun only: without it a compressed body is inflated before it can be refused.
          ...({ decompress: false } as object),
        });
        // A tier of this process does not hear the signal.
        const response = await Promise.race([fetched, aborted]);
        return await readAnswer(response, { maxBytes, what });
      } catch (error) {
        if (error instanceof PeerError) throw error;
        if (abort.signal.aborted) throw abort.signal.reason;
        throw new PeerError("unreachable", `${what}: ${failureOf(error)}`);
      } finally {
        cancel();
        // Lets go of a body that was not read to its end.
        abort.abort();
      }
    },
  };
}

async function readAnswer(
  response: Response,
  { maxBytes, what }: { maxBytes: number; what: string },
): Promise<PeerAnswer> {
  const { status } = response;
  if (status === 304) return { status, body: null, size: 0 };
  if (response.headers.has("content-encoding")) {
    throw new PeerError("invalid", `${what}: expected an answer without content-encoding`, { status });
  }
  const bytes = await readBounded(response, maxBytes);
  if (bytes === null)
    throw new PeerError("invalid", `${what}: expected at most ${maxBytes} bytes, got more`, { status });
  if (status < 200 || status >= 300) {
    const { problem, detail } = readProblem(bytes);
    const said = detail === "" ? "" : `: ${detail}`;
    throw new PeerError("http_status", `${what}: answered ${status}${said}`, { status, problem });
  }
  if (nestedDeeper(bytes, MAX_DEPTH)) {
    throw new PeerError("invalid", `${what}: expected at most ${MAX_DEPTH} levels of nesting, got more`, { status });
  }
  try {
    const body: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return { status, body, size: bytes.byteLength };
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    throw new PeerError("invalid", `${what}: expected JSON: ${why}`, { status });
  }
}

/**
 * Megabytes of brackets cost a parser a second and a gigabyte, so they are counted first. Fewer, though far too many for
 * a device, are refused with the device that has them (parseReport).
 */
const MAX_DEPTH = 50_000;

/** Whether JSON text opens more brackets than that at once; brackets in strings do not count. */
export function nestedDeeper(bytes: Uint8Array, levels: number): boolean {
  // It takes a byte to open one.
  if (bytes.length <= levels) return false;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (inString) {
      if (byte === 0x5c) at += 1;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      if (depth > levels) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
  }
  return false;
}

/** The body, or null when it is larger than `maxBytes`; stops reading there. */
export async function readBounded(from: Response | Request, maxBytes: number): Promise<Uint8Array | null> {
  if (Number(from.headers.get("content-length") ?? 0) > maxBytes) return null;
  if (from.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = from.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.byteLength;
      if (size > maxBytes) return null;
      chunks.push(value);
    }
  } finally {
    reader.cancel().catch(() => {}); // the far end is told to stop; whether it listens is its own affair
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}
