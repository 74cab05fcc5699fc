import type { Endpoint } from "../client/endpoint.ts";
import { readBounded } from "../client/peer.ts";
import type { World } from "../world.ts";
import { Wrong } from "./check.ts";

/** An answer, read to its end: its status may be any, its text anything. */
export interface Answer {
  /** `GET /hardware` */
  what: string;
  status: number;
  headers: Headers;
  text: string;
}

export interface Sending {
  headers?: Record<string, string>;
  /** An object goes as JSON with its content type, bytes as they are without one. */
  body?: object | Uint8Array<ArrayBuffer>;
  seconds?: number;
}

export type Ask = (method: string, path: string, sending?: Sending) => Promise<Answer>;

const MAX_BYTES = 64 * 2 ** 20;
export const REQUEST_SECONDS = 10;

/** How the system is reached, and what it is shown. Default: the runtime's fetch, and nothing. */
export interface Reach {
  fetch?: World["fetch"];
  /** The Authorization header of each request; null for none. */
  authorize?: () => Promise<string | null>;
}

/** Sends requests to the system that is checked. Throws Wrong where there is no complete answer. */
export const createAsk =
  (endpoint: Endpoint, { fetch = globalThis.fetch, authorize = async () => null }: Reach = {}): Ask =>
  async (method, path, { headers = {}, body, seconds = REQUEST_SECONDS } = {}) => {
    const what = `${method} ${path}`;
    const json = body !== undefined && !(body instanceof Uint8Array);
    const signal = AbortSignal.timeout(seconds * 1000);
    const authorization = await authorize();
    try {
      const response = await fetch(`${endpoint.kind === "unix" ? "http://localhost" : endpoint.base}${path}`, {
        method,
        body: json ? JSON.stringify(body) : body,
        headers: {
          "accept-encoding": "identity",
          ...(authorization === null ? {} : { authorization }),
          ...(json ? { "content-type": "application/json" } : {}),
          ...headers,
        },
        redirect: "manual",
        signal,
        ...(endpoint.kind === "unix" ? { unix: endpoint.path } : {}),
        // Bun only: what nobody asked to be compressed is shown as it came.
        ...({ decompress: false } as object),
      });
      const bytes = await readBounded(response, MAX_BYTES);
      if (bytes === null) throw new Wrong(`${what} to answer at most ${MAX_BYTES} bytes`, "more");
      return { what, status: response.status, headers: response.headers, text: new TextDecoder().decode(bytes) };
    } catch (error) {
      if (error instanceof Wrong) throw error;
      const found = signal.aborted ? "none that was complete" : error instanceof Error ? error.message : String(error);
      throw new Wrong(`${what} to have an answer within ${seconds} s`, found);
    }
  };

/** Text as the bytes of a body that names no content type. */
export const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
