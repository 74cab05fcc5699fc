import { ProtocolError } from "./frames.ts";

/** What a sender may have under way of one body: it bounds what a slow reader makes either side hold. */
export const WINDOW = 256 * 1024;

/** The receiving end of a body: frames go in, a stream that is read at its reader's pace comes out. */
export class Inflow {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | null = null;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  /** What the sender may still send, and what was read since it was last told. */
  #allowed = WINDOW;
  #read = 0;
  #ended = false;
  /** The stream is closed, errored or cancelled. */
  #over = false;
  #wanted: (() => void) | null = null;
  readonly #grant: (bytes: number) => void;

  /** `cancelled`: the reader wants no more. */
  constructor(options: { grant: (bytes: number) => void; cancelled: () => void }) {
    this.#grant = options.grant;
    this.stream = new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#pull(),
        cancel: () => {
          this.#over = true;
          this.#queue = [];
          if (!this.#ended) options.cancelled();
        },
      },
      // Nothing is taken out of the queue, and credited, before somebody reads it.
      { highWaterMark: 0 },
    );
  }

  /** Throws ProtocolError for more than was allowed, or after the end. */
  push(bytes: Uint8Array): void {
    if (this.#ended) throw new ProtocolError("data after the end of its body");
    if (bytes.length > this.#allowed) {
      throw new ProtocolError(`${bytes.length} bytes of data where ${this.#allowed} were allowed`);
    }
    this.#allowed -= bytes.length;
    if (this.#over || bytes.length === 0) return;
    // A copy: the reader may keep it, or give it away.
    this.#queue.push(new Uint8Array(bytes));
    this.#deliver();
  }

  end(): void {
    if (this.#ended) throw new ProtocolError("a second end of one body");
    this.#ended = true;
    this.#deliver();
  }

  fail(reason: unknown): void {
    if (this.#over) return;
    this.#ended = true;
    this.#over = true;
    this.#queue = [];
    this.#controller?.error(reason);
    this.#wanted?.();
  }

  #pull(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wanted = resolve;
    this.#deliver();
    return promise;
  }

  #deliver(): void {
    if (this.#over) return;
    const next = this.#wanted ? this.#queue.shift() : undefined;
    if (next) {
      this.#controller?.enqueue(next);
      this.#credit(next.length);
    }
    if (this.#ended && this.#queue.length === 0) {
      this.#over = true;
      this.#controller?.close();
    } else if (!next) return;
    this.#wanted?.();
    this.#wanted = null;
  }

  #credit(bytes: number): void {
    this.#read += bytes;
    // Half a window at a time: a frame per read would cost more than the reading.
    if (this.#ended || this.#read < WINDOW / 2) return;
    this.#allowed += this.#read;
    this.#grant(this.#read);
    this.#read = 0;
  }
}
