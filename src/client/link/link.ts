import { SinewError } from "../../contract/problem.ts";
import { type Answering, answer } from "./answer.ts";
import {
  Call,
  closedError,
  DEFAULTS,
  doneAgain,
  type Limits,
  type Link,
  type LinkOptions,
  MAX_REMEMBERED,
  type Remembered,
  remember,
  sameBytes,
  smallBody,
} from "./call.ts";
import {
  creditOf,
  decodeFrame,
  decodeHead,
  encodeCredit,
  encodeFrame,
  encodeHead,
  type Frame,
  MAX_HEAD,
  MAX_ID,
  ProtocolError,
  RequestHead,
  ResponseHead,
} from "./frames.ts";
import { Inflow } from "./inflow.ts";
import { Outflow } from "./outflow.ts";
import type { Socket } from "./socket.ts";

/** Requests in both directions over one socket, of which it becomes the owner. */
export const createLink = (socket: Socket, options: LinkOptions): Link => new SocketLink(socket, options);

/** A class, because a conductor holds ten thousand: methods are shared, closures would not be. */
class SocketLink implements Link, Answering {
  readonly world: LinkOptions["world"];
  readonly handle: LinkOptions["handle"];
  readonly limits: Limits;
  readonly #closing = Promise.withResolvers<string>();
  readonly closed = this.#closing.promise;
  running = 0;
  readonly #socket: Socket;
  readonly #calls = new Map<number, Call>();
  #asked = 0;
  #lastOwn: number;
  #lastPeers: number;
  /** The last small request sent, and the last received: what `same-request` means. */
  #said: Remembered | null = null;
  #heard: Remembered | null = null;
  #closedFor: string | null = null;
  #drained: PromiseWithResolvers<void> | null = null;
  /** A peer owes an answer since the last receipt, or the first call after it; the time with none pending does not count. */
  #quietSince = 0;
  #idleSince = 0;
  #cancelWatch: (() => void) | null = null;

  constructor(socket: Socket, { side, handle, world, limits }: LinkOptions) {
    this.world = world;
    this.handle = handle;
    this.limits = limits ? { ...DEFAULTS, ...limits } : DEFAULTS;
    this.#socket = socket;
    [this.#lastOwn, this.#lastPeers] = side === "dialler" ? [-1, 0] : [0, -1];
    socket.onMessage = (bytes) => this.#receive(bytes);
    socket.onDrain = () => this.#drain();
    socket.onClose = (reason) => this.#end(reason || "the connection ended");
  }

  // A property: a transport is handed around without its link.
  readonly fetch: Link["fetch"] = async (url, init) => {
    const { signal, ...rest } = init ?? {};
    signal?.throwIfAborted();
    if (this.#asked >= this.limits.calls)
      throw new SinewError("unavailable", `${this.#asked} calls are under way on this link, which is its limit`);
    if (this.#lastOwn + 2 > MAX_ID) this.close("all call ids are used");
    if (this.#closedFor !== null) throw closedError(this.#closedFor);
    const request = new Request(url, rest);
    const here = smallBody(rest.body);
    const follows = here ? null : request.body;
    const { pathname, search } = new URL(request.url);
    const head: RequestHead = { method: request.method, path: pathname + search, headers: [...request.headers] };
    if (here) head.body = "here";
    else if (follows) head.body = "follows";
    const payload = encodeHead(head, here);
    if (!payload) throw new SinewError("invalid", `expected a request's head of at most ${MAX_HEAD} bytes, got more`);

    this.#lastOwn += 2;
    const call = new Call(this.#lastOwn);
    const asked = Promise.withResolvers<Response>();
    call.asked = asked;
    this.#calls.set(call.id, call);
    this.#asked += 1;
    if (this.#asked === 1) this.#quietSince = this.world.monotonic() - Math.max(0, this.#idleSince - this.#quietSince);
    this.#watch();
    if (signal) {
      const onAbort = () => this.cancel(call, signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      call.forget = () => signal.removeEventListener("abort", onAbort);
    }
    if (follows) call.outflow = new Outflow(follows);
    if (here && this.#said?.answered && sameBytes(this.#said.request, payload)) {
      call.remembered = this.#said;
      // Not to be referred to before it is answered: an answer that crosses a cancel is known to one end only.
      this.#said.answered = false;
      this.send(encodeFrame("same-request", call.id));
    } else {
      if (here && payload.length <= MAX_REMEMBERED) this.#said = call.remembered = remember(payload);
      this.send(encodeFrame("request", call.id, payload));
      if (call.outflow) void this.#sendBody(call, call.outflow);
    }
    return asked.promise;
  };

  async #sendBody(call: Call, body: Outflow): Promise<void> {
    try {
      if (await this.pump(call, body)) this.send(encodeFrame("end", call.id));
    } catch (error) {
      this.cancel(call, error);
    }
  }

  /** Sends a body in frames; see Outflow.run. */
  pump(call: Call, outflow: Outflow): Promise<boolean> {
    return outflow.run(
      (data) => this.send(encodeFrame("data", call.id, data)),
      () => this.writable(),
    );
  }

  send(bytes: Uint8Array): void {
    if (this.#closedFor !== null) return;
    if (!this.#socket.send(bytes)) this.close("a message was dropped");
    else if (this.#socket.buffered > this.limits.hardBuffered) this.close("the far end does not read");
  }

  /** Resolves when the socket takes more; null: now. */
  writable(): Promise<void> | null {
    if (this.#closedFor !== null || this.#socket.buffered <= this.limits.buffered) return null;
    this.#drained ??= Promise.withResolvers<void>();
    return this.#drained.promise;
  }

  #drain(): void {
    this.#drained?.resolve();
    this.#drained = null;
  }

  #receive(bytes: Uint8Array): void {
    if (this.#closedFor !== null) return;
    this.#quietSince = this.world.monotonic();
    try {
      this.#dispatch(decodeFrame(bytes));
    } catch (error) {
      if (error instanceof ProtocolError) {
        this.close(`the far end broke the protocol: ${error.message}`);
        return;
      }
      this.world.log("error", "a link failed", { cause: error instanceof Error ? error.stack : String(error) });
      this.close("something went wrong here");
    }
  }

  #dispatch(frame: Frame): void {
    const { type, id, payload } = frame;
    if (type === "handshake") throw new ProtocolError("a handshake after it was over");
    const own = (id & 1) === (this.#lastOwn & 1);
    if (type === "request" || type === "same-request") {
      if (own || id <= this.#lastPeers) throw new ProtocolError(`a new call with id ${id} after ${this.#lastPeers}`);
      this.#lastPeers = id;
      // Answers that wait for a socket which takes no more: not even a refusal would go out.
      if (this.running >= 4 * this.limits.calls) this.close("the far end asks more than it reads");
      else this.#asks(id, type === "request" ? payload : null);
      return;
    }
    const call = this.#calls.get(id);
    if (!call) {
      // What crossed the end of its call is no offence.
      if (id <= (own ? this.#lastOwn : this.#lastPeers)) return;
      throw new ProtocolError(`a frame of type ${type} for call ${id}, which nobody has begun`);
    }
    if (type === "response" || type === "same-response") {
      if (!own || !call.asked) throw new ProtocolError(`an answer to call ${id}, which waits for none`);
      this.#answers(call, call.asked, type === "response" ? payload : null);
    } else if (type === "cancel") {
      this.over(call, new SinewError("unavailable", "the far end broke the call off"));
    } else if (type === "credit") {
      // Without an outflow it crossed the end of the body.
      call.outflow?.grant(creditOf(frame));
    } else {
      if (!call.inflow) throw new ProtocolError(`a frame of type ${type} for call ${id}, which has no body`);
      if (type === "data") call.inflow.push(payload);
      else {
        call.inflow.end();
        if (own) this.over(call, null);
      }
    }
  }

  /** The far end asks; without a payload what it asked before. */
  #asks(id: number, payload: Uint8Array | null): void {
    const heard = this.#heard;
    if (heard?.response && doneAgain(heard, payload)) {
      if (payload) this.#heard = { ...heard, request: payload.slice() };
      return void this.send(payload ? encodeFrame("response", id, heard.response) : encodeFrame("same-response", id));
    }
    const request = payload ?? heard?.request;
    if (!request) throw new ProtocolError("the same request as before, and there was none");
    const { head, body } = decodeHead(RequestHead, request);
    const call = new Call(id);
    if (!payload) call.remembered = heard;
    else if (head.body === "here" && payload.length <= MAX_REMEMBERED)
      this.#heard = call.remembered = remember(payload);
    call.answering = new AbortController();
    if (head.body === "follows") call.inflow = this.#inflow(call, () => {});
    this.#calls.set(id, call);
    void answer(this, call, head, body);
  }

  /** The far end answers; without a payload what it answered before. */
  #answers(call: Call, asked: PromiseWithResolvers<Response>, payload: Uint8Array | null): void {
    const { remembered } = call;
    const response = payload ?? remembered?.response;
    if (!response) throw new ProtocolError(`the same answer to call ${call.id} as before, and there was none`);
    const { head, body } = decodeHead(ResponseHead, response);
    call.asked = null;
    const follows = head.body === "follows";
    if (follows) call.inflow = this.#inflow(call, () => this.cancel(call, new Error("nobody reads the answer")));
    else {
      if (remembered && payload && payload.length <= MAX_REMEMBERED) remembered.response = payload.slice();
      this.over(call, null);
    }
    try {
      asked.resolve(new Response(head.body ? (call.inflow?.stream ?? body) : null, head));
    } catch (error) {
      // A body where its status allows none.
      asked.reject(error);
      this.cancel(call, error);
    }
  }

  #inflow(call: Call, cancelled: () => void): Inflow {
    return new Inflow({ grant: (bytes) => this.send(encodeCredit(call.id, bytes)), cancelled });
  }

  cancel(call: Call, reason: unknown): void {
    if (call.over) return;
    this.send(encodeFrame("cancel", call.id));
    this.over(call, reason);
  }

  over(call: Call, reason: unknown): void {
    if (call.over) return;
    call.over = true;
    this.#calls.delete(call.id);
    call.forget?.();
    // What is still sent of a request that is answered, or still read of it, is of no use to anyone.
    call.outflow?.stop(reason);
    if (call.answering) {
      call.inflow?.fail(reason ?? new Error("the request was answered"));
      if (reason !== null) call.answering.abort(reason);
      return;
    }
    this.#asked -= 1;
    if (this.#asked === 0) this.#idleSince = this.world.monotonic();
    if (call.remembered) call.remembered.answered = reason === null;
    if (reason === null) return;
    call.inflow?.fail(reason);
    call.asked?.reject(reason);
  }

  /** A far end that is silent is noticed while it owes an answer, calls given up before counted; an idle link has no timer. */
  #watch(): void {
    const rest = () => this.limits.deadAfterMs - (this.world.monotonic() - this.#quietSince);
    this.#cancelWatch ??= this.world.timer(Math.max(0, rest()), () => {
      this.#cancelWatch = null;
      if (this.#asked === 0) return;
      if (rest() <= 0) this.close(`nothing was received for ${this.limits.deadAfterMs} ms`);
      else this.#watch();
    });
  }

  close(reason: string): void {
    this.#end(reason);
    this.#socket.close(1000, reason);
  }

  #end(reason: string): void {
    if (this.#closedFor !== null) return;
    this.#closedFor = reason;
    this.#cancelWatch?.();
    this.#drain();
    for (const call of [...this.#calls.values()]) this.over(call, closedError(reason));
    this.#closing.resolve(reason);
  }
}
