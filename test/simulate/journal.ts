import type { Clock } from "./clock.ts";

const KEPT = 400;

/** What happened, line by line, by one clock: the same for the same seed. */
export class Journal {
  readonly lines: string[] = [];
  readonly #clock: Clock;
  readonly #hash = new Bun.CryptoHasher("sha256");
  readonly #out: ((line: string) => void) | null;
  readonly #keepAll: boolean;
  #closed = false;

  /** `keepAll`: for a test that compares; else the last lines alone. `out` hears each. */
  constructor(
    clock: Clock,
    { keepAll = false, out = null }: { keepAll?: boolean; out?: ((line: string) => void) | null },
  ) {
    this.#clock = clock;
    this.#keepAll = keepAll;
    this.#out = out;
  }

  /** Hears no more. */
  close(): void {
    this.#closed = true;
  }

  write(what: string): void {
    if (this.#closed) return;
    const line = `${(this.#clock.now / 1000).toFixed(3).padStart(10)}  ${what}`;
    this.#hash.update(line);
    this.lines.push(line);
    if (!this.#keepAll && this.lines.length > 2 * KEPT) this.lines.splice(0, KEPT);
    this.#out?.(line);
  }

  /** A digest of all lines. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }
}
