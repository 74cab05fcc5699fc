import type { World } from "../../world.ts";
import { MAX_PAYLOAD, ProtocolError } from "./frames.ts";
import { WINDOW } from "./inflow.ts";

type Read = { done: true; value?: Uint8Array } | { done: false; value: Uint8Array };
type Reader = { read(): Promise<Read>; cancel(reason: unknown): Promise<void> };

/** The sending end of a body: reads no faster than the far end grants and the socket takes. */
export class Outflow {
  readonly #reader: Reader;
  /** What `whole` has read and not given away. */
  #first: Uint8Array[] = [];
  #reading: Promise<Read> | null = null;
  #credit = WINDOW;
  #stopped = false;
  #wake: (() => void) | null = null;

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  /**
   * The whole body, if it has at most `room` bytes and gives them without waiting; else null, and `run` sends it. So a
   * small answer is known before its head is sent, and a stream's first word does not wait for its second.
   */
  async whole(room: number, timer: World["timer"]): Promise<Uint8Array | null> {
    const { promise: pause, resolve } = Promise.withResolvers<null>();
    const cancel = timer(0, () => resolve(null));
    try {
      for (let size = 0; size <= room; ) {
        this.#reading = this.#reader.read();
        const read = await Promise.race([this.#reading, pause]);
        if (read === null) return null;
        this.#reading = null;
        if (read.done) return this.#first.length === 1 ? (this.#first[0] ?? null) : concat(this.#first, size);
        this.#first.push(read.value);
        size += read.value.length;
      }
      return null;
    } finally {
      cancel();
    }
  }

  /** Sends the body. True: to its end; false: it was stopped. Rejects with what its source fails with. */
  async run(send: (data: Uint8Array) => void, writable: () => Promise<void> | null): Promise<boolean> {
    for (;;) {
      let chunk = this.#first.shift();
      if (!chunk) {
        const reading = this.#reading ?? this.#reader.read();
        this.#reading = null;
        const { done, value } = await reading;
        if (this.#stopped) return false;
        if (done) return true;
        chunk = value;
      }
      for (let at = 0; at < chunk.length; ) {
        // Looked at again in the turn that sends: all bodies of a link wake up at once.
        for (let wait = this.#full(writable); wait; wait = this.#full(writable)) await wait;
        if (this.#stopped) return false;
        const size = Math.min(chunk.length - at, this.#credit, MAX_PAYLOAD);
        this.#credit -= size;
        send(chunk.subarray(at, at + size));
        at += size;
      }
    }
  }

  #full(writable: () => Promise<void> | null): Promise<void> | null {
    if (this.#stopped) return null;
    if (this.#credit > 0) return writable();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  /** Throws ProtocolError for more than was ever used. */
  grant(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit > WINDOW) throw new ProtocolError(`credit of ${this.#credit} bytes, ${WINDOW} at most`);
    this.#wake?.();
  }

  /** Nothing more is wanted; the source is told so. */
  stop(reason: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#reader.cancel(reason).catch(() => {}); // how the source ends is its own affair
    this.#wake?.();
  }
}

function concat(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
