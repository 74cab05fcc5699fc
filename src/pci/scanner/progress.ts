const STEP = 0;
const LENGTH = 1;
const WAITING = 2;
const LOCKED = 3;
const NAME = 16;

/** Which function a scanning thread is on, in memory that another thread can read while the first is stuck in a call. */
export class Progress {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #name: Uint8Array;

  constructor(buffer = new SharedArrayBuffer(64)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, 4);
    this.#name = new Uint8Array(buffer, NAME);
  }

  /** The scanning thread begins with a function. */
  enter(address: string): void {
    const length = Math.min(address.length, this.#name.length);
    for (let i = 0; i < length; i++) this.#name[i] = address.charCodeAt(i);
    Atomics.store(this.#words, LENGTH, length);
    Atomics.add(this.#words, STEP, 1);
  }

  /** Counts functions begun: the same number as before means the same function. */
  get step(): number {
    return Atomics.load(this.#words, STEP);
  }

  /** The function begun last; null before the first. */
  get address(): string | null {
    const length = Atomics.load(this.#words, LENGTH);
    return length === 0 ? null : String.fromCharCode(...this.#name.subarray(0, length));
  }

  /** The scanning thread waits for the other one, and no device for it. */
  get waiting(): boolean {
    return Atomics.load(this.#words, WAITING) === 1;
  }

  set waiting(waits: boolean) {
    Atomics.store(this.#words, WAITING, waits ? 1 : 0);
  }

  /** The scanning thread reads what the kernel gives under the device's lock. */
  get locked(): boolean {
    return Atomics.load(this.#words, LOCKED) === 1;
  }

  set locked(locked: boolean) {
    Atomics.store(this.#words, LOCKED, locked ? 1 : 0);
  }
}
