import type { Socket } from "../../src/client/link/socket.ts";
import type { HostRequestInit } from "../../src/host-fetch.ts";
import type { Clock } from "./clock.ts";
import type { Dice } from "./dice.ts";
import type { Journal } from "./journal.ts";
import type { Machine, Process, Run, Stage } from "./process.ts";
import { dial, type Wire } from "./wire.ts";

/** What goes wrong between two machines for a while. */
export interface Weather {
  /** Whether it is on the way from one to the other. */
  on: (from: Machine, to: Machine) => boolean;
  /** The chance that a message is lost, and that a request comes twice. */
  loss: number;
  twice: number;
  /** The most that a message is held up, in ms: a later one may arrive before it. */
  slowMs: number;
}

/** A request and how it was answered, as one end saw it. */
export interface Exchange {
  from: Process;
  to: Process;
  method: string;
  path: string;
  body: string | null;
  sent: number;
  /** Which run of it answered. */
  by: Run | null;
  /** Of one over a link: whether the conductor has that still. */
  standing: (() => boolean) | null;
}

export interface Witness {
  /** Something is asked over a link: it may be handled though nobody waits for the answer any more. */
  asked(exchange: Exchange): void;
  /** A message has come to a process. */
  delivered(from: Process, to: Process): void;
  /** A process has answered, whether or not that arrives. */
  handled(exchange: Exchange, status: number): void;
  /** The answer has come. */
  answered(exchange: Exchange, status: number, body: string): void;
  /** A conductor has a link no more. */
  unlinked(wire: Wire): void;
}

/** The most that a connection waits to be told that nobody is there. */
const NO_ROUTE_MS = 3_000;

/** Carries requests between processes, one message each way, on time, late, twice or not at all. */
export class Network {
  readonly processes = new Map<string, Process>();
  /** Addresses behind which several processes stand: each request goes to one of them, sooner to one that lives. */
  readonly balanced = new Map<string, Process[]>();
  weather: Weather[] = [];
  /** The connections that one end has at least. */
  readonly wires = new Set<Wire>();
  witness: Witness | null = null;
  readonly #clock: Clock;
  readonly #dice: Dice;
  readonly #journal: Journal;

  constructor(clock: Clock, dice: Dice, journal: Journal) {
    this.#clock = clock;
    this.#dice = dice;
    this.#journal = journal;
  }

  /** How long one message takes; null: it is lost. */
  delay(from: Machine, to: Machine): number | null {
    const dice = this.#dice;
    let ms = dice.between(0.1, from === to ? 0.3 : 3);
    for (const weather of this.weather) {
      if (!weather.on(from, to)) continue;
      if (dice.chance(weather.loss)) return null;
      if (weather.slowMs > 0 && dice.chance(0.3)) ms += dice.next() * weather.slowMs;
    }
    return ms;
  }

  #twice(from: Machine, to: Machine): boolean {
    return this.weather.some(({ on, twice }) => twice > 0 && on(from, to) && this.#dice.chance(twice));
  }

  #oneOf(processes: readonly Process[]): Process | undefined {
    const living = processes.filter((process) => process.run && !process.paused);
    const among = living.length > 0 && this.#dice.chance(0.9) ? living : processes;
    return among.length > 0 ? this.#dice.pick(among) : undefined;
  }

  /** Opens a WebSocket, as `connectSocket` does. */
  connect(stage: Stage, from: Run, url: string, { deadlineMs }: { deadlineMs: number }): Promise<Socket> {
    const { host } = new URL(url);
    const to = this.processes.get(host) ?? this.#oneOf(this.balanced.get(host) ?? []);
    if (!to) return Promise.reject(new Error(`nobody has the address ${host}`));
    return dial(stage, this, { from, to, url, deadlineMs, dice: this.#dice });
  }

  fetch(run: Run, url: string, init: HostRequestInit = {}): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    if (!run.alive) return promise;
    const { host, pathname, search } = new URL(url);
    const to = this.processes.get(host) ?? this.#oneOf(this.balanced.get(host) ?? []);
    const from = run.process;
    const back = (ms: number, work: () => void) => this.#clock.after(ms, work, { run, process: from });
    init.signal?.addEventListener("abort", () => reject(init.signal?.reason), { once: true });
    if (!to) {
      back(1, () => reject(new Error(`nobody has the address ${host}`)));
      return promise;
    }
    const exchange: Exchange = {
      from,
      to,
      method: init.method ?? "GET",
      path: `${pathname}${search}`,
      body: typeof init.body === "string" ? init.body : null,
      sent: this.#clock.now,
      by: null,
      standing: null,
    };
    const { signal: _, unix: __, addresses: ___, tls: ____, ...rest } = init;
    const headers = new Headers(rest.headers);
    // As any client says it.
    if (exchange.body !== null) headers.set("content-length", String(Buffer.byteLength(exchange.body)));
    const deliver = () => {
      const ms = this.delay(from.machine, to.machine);
      if (ms === null)
        return this.#lost(exchange, "request", () =>
          back(this.#dice.next() * NO_ROUTE_MS, () => reject(new Error("no route to host"))),
        );
      this.#clock.after(
        ms,
        () => {
          void this.#arrive(exchange, new Request(url, { ...rest, headers }), (response) => {
            const late = this.delay(to.machine, from.machine);
            const failed = () => reject(new Error("the connection was closed"));
            if (late === null)
              return this.#lost(exchange, "answer", () => back(this.#dice.next() * NO_ROUTE_MS, failed));
            if (response === null) return void back(late, failed);
            back(late, () => {
              this.witness?.delivered(to, from);
              this.witness?.answered(exchange, response.status, response.text);
              const { status, headers, text } = response;
              resolve(new Response(status === 204 || status === 304 ? null : text, { status, headers }));
            });
          });
        },
        { process: to },
      );
    };
    deliver();
    if (this.#twice(from.machine, to.machine)) deliver();
    return promise;
  }

  /** Half of what is lost is noticed at once, the other half by whoever waits for it. */
  #lost({ from, to, method, path }: Exchange, what: string, notice: () => void): void {
    this.#journal.write(`lost: the ${what} of ${method} ${path} from ${from.name} to ${to.name}`);
    if (this.#dice.chance(0.5)) notice();
  }

  async #arrive(
    exchange: Exchange,
    request: Request,
    answer: (response: { status: number; headers: Headers; text: string } | null) => void,
  ): Promise<void> {
    const { from, to, method, path } = exchange;
    const { run } = to;
    if (!run?.fetch) return answer(null);
    this.witness?.delivered(from, to);
    const ended = () => answer(null);
    run.ended.add(ended);
    const response = await run.fetch(request, { remoteAddress: from.machine.address });
    const text = await response.text();
    // A dead process answers nothing: whoever asked was told of its end.
    if (!run.alive) return;
    run.ended.delete(ended);
    this.#journal.write(`${from.name} -> ${to.name} ${method} ${path} ${response.status}`);
    exchange.by = run;
    this.witness?.handled(exchange, response.status);
    answer({ status: response.status, headers: response.headers, text });
  }
}
