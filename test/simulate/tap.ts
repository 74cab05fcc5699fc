import { MAX_REMEMBERED } from "../../src/client/link/call.ts";
import { decodeFrame, decodeHead, RequestHead, ResponseHead } from "../../src/client/link/frames.ts";
import type { Clock } from "./clock.ts";
import type { Exchange, Witness } from "./network.ts";
import type { Run } from "./process.ts";

const decoder = new TextDecoder();

interface Said {
  method: string;
  path: string;
  body: string | null;
  /** The last small answer to it. */
  answer: Answer | null;
}

interface Answer {
  status: number;
  text: string;
}

interface Asked {
  exchange: Exchange;
  /** Where it may be referred to later on. */
  said: Said | null;
  answering: { status: number; pieces: Uint8Array[] } | null;
}

interface Options {
  clock: Clock;
  witness: () => Witness | null;
  write: (line: string) => void;
  /** Whether the conductor has this connection still. */
  standing: () => boolean;
}

/** Tells a witness of the requests on one link, as the network does of those that travel alone. */
export class Tap {
  /** The dialler's key was believed. */
  proved = false;
  readonly #asked = new Map<number, Asked>();
  readonly #said = new Map<Run, Said>();
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** One end says this to the other; the result is to be called when it has arrived. */
  say(from: Run, to: Run, bytes: Uint8Array): (() => void) | null {
    const { type, id, payload } = decodeFrame(bytes);
    if (type === "handshake") {
      this.proved ||= decoder.decode(payload).includes('"ok":true');
      return null;
    }
    if (type === "request" || type === "same-request") {
      this.#ask(from, to, id, type === "request" ? payload : null);
      return null;
    }
    const asked = this.#asked.get(id);
    if (!asked) return null;
    if (type === "cancel") this.#asked.delete(id);
    // Of a request's own body nobody wants to know.
    if (asked.exchange.from === from.process) return null;
    if (type === "response") return this.#answer(from, id, asked, payload);
    if (type === "same-response") return this.#over(from, id, asked, asked.said?.answer ?? null);
    const { answering } = asked;
    if (type === "data") answering?.pieces.push(payload);
    if (type !== "end" || !answering) return null;
    this.#asked.delete(id);
    const text = decoder.decode(Buffer.concat(answering.pieces));
    return () => this.#options.witness()?.answered(asked.exchange, answering.status, text);
  }

  #ask(from: Run, to: Run, id: number, payload: Uint8Array | null): void {
    let said = this.#said.get(from) ?? null;
    if (payload) {
      const { head, body } = decodeHead(RequestHead, payload);
      const text = head.body === "here" ? decoder.decode(body) : null;
      const now = { method: head.method, path: head.path, body: text, answer: null };
      said = now;
      if (text !== null && payload.length <= MAX_REMEMBERED) this.#said.set(from, now);
    }
    if (!said) throw new Error(`${from.process.name} says the same as before, and has said nothing`);
    const { method, path, body } = said;
    const { clock, standing } = this.#options;
    const ends = { from: from.process, to: to.process };
    const exchange = { ...ends, method, path, body, sent: clock.now, by: null, standing };
    this.#options.witness()?.asked(exchange);
    this.#asked.set(id, { exchange, said: this.#said.get(from) === said ? said : null, answering: null });
  }

  #answer(from: Run, id: number, asked: Asked, payload: Uint8Array): (() => void) | null {
    const { head, body } = decodeHead(ResponseHead, payload);
    if (head.body === "follows") {
      asked.answering = { status: head.status, pieces: [] };
      this.#handled(from, asked.exchange, head.status);
      return null;
    }
    const answer = { status: head.status, text: decoder.decode(body) };
    if (asked.said && payload.length <= MAX_REMEMBERED) asked.said.answer = answer;
    return this.#over(from, id, asked, answer);
  }

  #over(from: Run, id: number, { exchange }: Asked, answer: Answer | null): () => void {
    if (!answer) throw new Error(`${from.process.name} answers the same as before, and has answered nothing`);
    this.#asked.delete(id);
    this.#handled(from, exchange, answer.status);
    return () => this.#options.witness()?.answered(exchange, answer.status, answer.text);
  }

  #handled(by: Run, exchange: Exchange, status: number): void {
    const { from, to, method, path } = exchange;
    this.#options.write(`${from.name} => ${to.name} ${method} ${path} ${status}`);
    exchange.by = by;
    this.#options.witness()?.handled(exchange, status);
  }
}
