import { closingReason, receive } from "./message.ts";
import type { Socket } from "./socket.ts";

/** How often a queue is looked at: the standard's WebSocket has no event for one that has emptied. */
const DRAIN_MS = 10;

/** The standard's WebSocket, of Bun's client and both sides of Deno, as a Socket. */
export class StandardSocket implements Socket {
  onMessage: Socket["onMessage"] = ignore;
  onDrain: Socket["onDrain"] = ignore;
  onClose: Socket["onClose"] = ignore;
  readonly remoteAddress: string | null;
  readonly #ws: WebSocket;
  /** What came before the owner had a chance to set the handlers; null afterwards. */
  #early: (() => void)[] | null = [];
  #draining: ReturnType<typeof setTimeout> | null = null;

  constructor(ws: WebSocket, remoteAddress: string | null) {
    this.#ws = ws;
    this.remoteAddress = remoteAddress;
    ws.binaryType = "arraybuffer";
    ws.onmessage = ({ data }) => this.#deliver(() => receive(this, data));
    ws.onclose = ({ code, reason }) => {
      if (this.#draining) clearTimeout(this.#draining);
      this.#deliver(() => this.onClose(reason || `closed with code ${code}`));
    };
  }

  /** Called once it is open. The owner sets its handlers in this turn of the event loop. */
  opened(): void {
    setTimeout(() => {
      const early = this.#early ?? [];
      this.#early = null;
      for (const deliver of early) deliver();
    }, 0);
  }

  #deliver(work: () => void): void {
    if (this.#early) this.#early.push(work);
    else work();
  }

  send(bytes: Uint8Array): boolean {
    if (this.#ws.readyState !== WebSocket.OPEN) return false;
    // Messages are never made over shared memory.
    this.#ws.send(bytes as Uint8Array<ArrayBuffer>);
    if (this.#ws.bufferedAmount > 0) this.#awaitDrain();
    return true;
  }

  get buffered(): number {
    return this.#ws.bufferedAmount;
  }

  #awaitDrain(): void {
    this.#draining ??= setTimeout(() => {
      this.#draining = null;
      if (this.#ws.readyState !== WebSocket.OPEN) return;
      if (this.#ws.bufferedAmount > 0) this.#awaitDrain();
      else this.onDrain();
    }, DRAIN_MS);
  }

  close(code: number, reason: string): void {
    // The standard leaves its own codes to the runtime (1003 becomes 3003), and refuses none twice.
    const allowed = code === 1000 || (code >= 3000 && code <= 4999) ? code : 3000 + (code % 1000);
    this.#ws.close(allowed, closingReason(reason));
  }
}

const ignore = (): void => {};
