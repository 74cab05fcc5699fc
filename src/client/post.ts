import type { World } from "../world.ts";
import { DialError, type Dialer } from "./dial.ts";
import { failureOf } from "./failure.ts";
import { readBounded } from "./peer.ts";

/** Of what a receiver answers only the status is of use; it may say a little beside it. */
const ANSWER_BYTES = 64 * 1024;

/** Something was not received. `final`: it never will be, as it is refused for what it is. */
export class PostError extends Error {
  readonly final: boolean;
  constructor(message: string, { final }: { final: boolean }) {
    super(message);
    this.name = "PostError";
    this.final = final;
  }
}

/** What a later try may change about a refusal: too slow, too early, too many (RFC 9110, 6585, 8470). */
const PASSING = [408, 425, 429];

/**
 * Sends JSON to a receiver that an operator named, to an address that may be called: looked up, judged and then connected to,
 * so that a name cannot mean another one meanwhile. No redirect is followed. Throws PostError, nothing else.
 */
export async function post(
  url: string,
  request: { body: string; headers: Record<string, string>; deadlineMs: number; signal: AbortSignal },
  { dialer, world }: { dialer: Dialer; world: Pick<World, "fetch" | "timer"> },
): Promise<void> {
  const { origin } = new URL(url);
  const { body, headers, deadlineMs, signal } = request;
  const abort = new AbortController();
  const end = () => abort.abort();
  const cancel = world.timer(deadlineMs, end);
  signal.addEventListener("abort", end, { once: true });
  const aborted = new Promise<never>((_, fail) => {
    const late = () => fail(new PostError(`${origin}: no complete answer within ${deadlineMs} ms`, { final: false }));
    if (signal.aborted) late();
    abort.signal.addEventListener("abort", late, { once: true });
  });
  aborted.catch(() => {}); // without a race to lose it is nobody's error
  try {
    const addresses = await Promise.race([dialer.route({ kind: "http", base: origin }, null), aborted]);
    const sent = world.fetch(url, {
      method: "POST",
      body,
      headers: { "accept-encoding": "identity", ...headers },
      redirect: "manual",
      signal: abort.signal,
      ...(addresses === null ? {} : { addresses }),
      // Bun only: an answer that inflates is not waited for.
      ...({ decompress: false } as object),
    });
    const response = await Promise.race([sent, aborted]);
    await Promise.race([readBounded(response, ANSWER_BYTES), aborted]);
    const { status } = response;
    if (status >= 200 && status < 300) return;
    const final = status >= 400 && status < 500 && !PASSING.includes(status);
    throw new PostError(`${origin}: expected a status of 200 to 299, got ${status}`, { final });
  } catch (error) {
    if (error instanceof PostError) throw error;
    const why = failureOf(error);
    // What may not be called today may be allowed, or have another address, when this is started again.
    throw new PostError(error instanceof DialError ? why : `${origin}: ${why}`, { final: false });
  } finally {
    cancel();
    signal.removeEventListener("abort", end);
    abort.abort();
  }
}
