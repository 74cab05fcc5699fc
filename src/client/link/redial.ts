import { PROBLEMS, SinewError } from "../../contract/problem.ts";
import type { World } from "../../world.ts";
import type { Limits, Link } from "./call.ts";
import { type Challenge, openLink } from "./handshake.ts";
import type { Socket } from "./socket.ts";

const BASE_MS = 500;
/** A conductor's restart is over in seconds: whoever waits longer at first is away for longer than it. */
const SHORT_MS = 2_000;
const SHORT_TRIES = 8;
const CAP_MS = 30_000;
/** Whatever `connect` does about it by itself. */
const CONNECT_MS = 60_000;
/** A link that lasted so long was a good one: the next dial begins anew. */
const PROVEN_MS = 60_000;
/** Refusals that asking again does not mend, though an operator may. */
const LASTING: readonly number[] = [401, 403, 409];

export type LinkState =
  | { kind: "stopped" }
  | { kind: "dialling" }
  | { kind: "up" }
  /** `error` is a SinewError with the code of the refusal if the conductor refused. */
  | { kind: "down"; error: Error };

export interface HeldLink {
  /** Rejects at once while there is no link: callers have their own retries. */
  readonly fetch: World["fetch"];
  readonly state: LinkState;
  start(): void;
  /** Closes the link; it is not dialled again. */
  stop(): void;
}

interface HoldOptions {
  connect: () => Promise<Socket>;
  prove: (challenge: Challenge) => Promise<string>;
  handle: (request: Request) => Promise<Response> | Response;
  world: Pick<World, "timer" | "monotonic" | "log" | "random">;
  /** `deadAfterMs` among them. */
  limits?: Partial<Limits>;
  onState?: (state: LinkState) => void;
}

/** Dials, keeps the link, and dials again with full jitter: a conductor's restart must not be met by all agents at once. */
export function holdLink({ connect, prove, handle, world, limits, onState }: HoldOptions): HeldLink {
  let state: LinkState = { kind: "stopped" };
  let link: Link | null = null;
  let failures = 0;
  let lastError = "";
  let cancel = () => {};
  /** Raised by stop(): a dial of before it comes to nothing. */
  let era = 0;
  let socket: Socket | null = null;
  /** The dial under way, to the end of its link: the next one waits for it. */
  let dialled = Promise.resolve();

  const become = (next: LinkState) => {
    state = next;
    onState?.(next);
  };

  async function dial(mine: number): Promise<void> {
    if (state.kind !== "dialling") become({ kind: "dialling" });
    let error: Error;
    try {
      socket = await within(connect(), world);
      if (mine !== era) return socket.close(1000, "stopped");
      const opened = await openLink(socket, { prove, handle, world, limits });
      if (mine !== era) return opened.close("stopped");
      link = opened;
      const since = world.monotonic();
      if (lastError) world.log("info", "the link is up again");
      lastError = "";
      become({ kind: "up" });
      const reason = await opened.closed;
      if (world.monotonic() - since > PROVEN_MS) failures = 0;
      error = new SinewError("unavailable", `the link was closed: ${reason}`);
    } catch (thrown) {
      error = thrown instanceof Error ? thrown : new Error(String(thrown));
    }
    link = null;
    socket = null;
    if (mine === era) retry(error);
  }

  function redial(): void {
    const mine = era;
    dialled = dialled.then(() => (mine === era ? dial(mine) : undefined));
  }

  function retry(error: Error): void {
    // Said once per cause, not once per dial.
    if (error.message !== lastError) world.log("warn", "no link, will be dialled again", { error: error.message });
    lastError = error.message;
    const lasting = error instanceof SinewError && LASTING.includes(PROBLEMS[error.code][0]);
    // https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("full jitter")
    const backoff = lasting ? CAP_MS : backoffMs(failures);
    const told = error instanceof SinewError ? error.retryAfter : undefined;
    const longest = told === undefined ? backoff : told * 1000;
    failures += 1;
    cancel = world.timer(longest * world.random(), redial);
    become({ kind: "down", error });
  }

  return {
    fetch: (url, init) =>
      link && state.kind === "up"
        ? link.fetch(url, init)
        : Promise.reject(
            new SinewError("unavailable", `there is no link at present${lastError ? `: ${lastError}` : ""}`),
          ),
    get state() {
      return state;
    },
    start() {
      if (state.kind !== "stopped") return;
      failures = 0;
      become({ kind: "dialling" });
      redial();
    },
    stop() {
      if (state.kind === "stopped") return;
      era += 1;
      cancel();
      if (link) link.close("stopped");
      else socket?.close(1000, "stopped");
      become({ kind: "stopped" });
    },
  };
}

/** 0.5, 1, and 2 s for a while; then up to twice as long after each failure. */
const backoffMs = (failures: number): number =>
  failures < SHORT_TRIES
    ? Math.min(SHORT_MS, BASE_MS * 2 ** failures)
    : Math.min(CAP_MS, SHORT_MS * 2 ** Math.min(failures - SHORT_TRIES + 1, 10));

/** The connection, or an error when it takes too long; one that comes too late is closed. */
function within(connecting: Promise<Socket>, world: Pick<World, "timer">): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let late = false;
    const cancel = world.timer(CONNECT_MS, () => {
      late = true;
      reject(new Error(`no connection within ${CONNECT_MS} ms`));
    });
    connecting.then((socket) => (late ? socket.close(1000, "too late") : resolve(socket)), reject);
    connecting.finally(cancel).catch(() => {}); // it is told above
  });
}
