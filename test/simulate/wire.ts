import type { Socket } from "../../src/client/link/socket.ts";
import type { Dice } from "./dice.ts";
import type { Network } from "./network.ts";
import type { Run, Stage } from "./process.ts";
import { Tap } from "./tap.ts";

/** What is lost is sent again, at first so soon, then later each time. */
const AGAIN_MS = 200;
const LATEST_MS = 15_000;

type Item =
  | { kind: "opened" }
  | { kind: "message"; bytes: Uint8Array; arrived: (() => void) | null }
  | { kind: "closed"; reason: string };

const size = (item: Item) => (item.kind === "message" ? item.bytes.length : 0);

/**
 * A WebSocket between two runs. Messages arrive in their order, late or when a partition is over, and are lost only with the
 * connection: one that gets nothing through for long enough gives up, and its other end finds out for itself.
 */
export class Wire {
  readonly dialler: End;
  readonly acceptor: End;
  readonly tap: Tap;
  /** Whoever is between the two has forgotten them: nothing comes through any more. */
  forgotten = false;
  readonly dice: Dice;
  readonly stage: Stage;

  constructor(stage: Stage, { from, to, dice }: { from: Run; to: Run; dice: Dice }) {
    this.stage = stage;
    this.dice = dice;
    this.dialler = new End(this, from, null);
    this.acceptor = new End(this, to, from.process.machine.address);
    const { clock, journal, network } = stage;
    this.tap = new Tap({
      clock,
      witness: () => network.witness,
      write: (line) => journal.write(line),
      standing: () => this.acceptor.open,
    });
    network.wires.add(this);
  }

  other(end: End): End {
    return end === this.dialler ? this.acceptor : this.dialler;
  }

  /** One of the ends has it no more. */
  ended(end: End, why: string): void {
    const { journal, network } = this.stage;
    const other = this.other(end);
    journal.write(`${end.run.process.name} has no connection to ${other.run.process.name} any more: ${why}`);
    if (end === this.acceptor && this.tap.proved) network.witness?.unlinked(this);
    if (!other.open) network.wires.delete(this);
  }
}

class End implements Socket {
  onMessage: Socket["onMessage"] = () => {};
  onDrain: Socket["onDrain"] = () => {};
  onClose: Socket["onClose"] = () => {};
  /** Hears that the other end has taken the connection. */
  onOpened = () => {};
  readonly remoteAddress: string | null;
  readonly run: Run;
  buffered = 0;
  open = true;
  /** It has told the other end that it closes. */
  #said = false;
  /** Its machine lost its power: nobody there says that it is gone. */
  #dark = false;
  readonly #wire: Wire;
  readonly #queue: Item[] = [];
  readonly #underWay: Item[] = [];
  /** When the last of them arrives. */
  #last = 0;
  /** Since when nothing has come through, and how soon it is tried again. */
  #stuck: number | null = null;
  #waiting = false;
  #again = AGAIN_MS;
  readonly #patience: number;
  readonly #died = () => this.#die();

  constructor(wire: Wire, run: Run, remoteAddress: string | null) {
    this.#wire = wire;
    this.run = run;
    this.remoteAddress = remoteAddress;
    this.#patience = wire.dice.between(15_000, 900_000);
    run.ended.add(this.#died);
  }

  get #own() {
    return { run: this.run, process: this.run.process };
  }

  send(bytes: Uint8Array): boolean {
    if (!this.open || !this.run.alive) return false;
    const arrived = this.#wire.tap.say(this.run, this.#wire.other(this).run, bytes);
    this.#put({ kind: "message", bytes, arrived });
    return true;
  }

  close(_code: number, reason: string): void {
    if (!this.open || !this.run.alive) return;
    this.#leave(reason);
    this.#said = true;
    this.#put({ kind: "closed", reason });
    this.#wire.stage.clock.after(0, () => this.onClose(reason), this.#own);
  }

  /** The connection is gone, and nobody tells the other end. */
  vanish(reason: string): void {
    if (!this.open) return;
    this.#queue.length = 0;
    // By this run's own turn: one that stands still learns of it when it goes on.
    this.#wire.stage.clock.after(
      0,
      () => {
        if (!this.open) return;
        this.#leave(reason);
        this.onClose(reason);
      },
      this.#own,
    );
  }

  opened(): void {
    this.#put({ kind: "opened" });
  }

  #leave(why: string): void {
    this.open = false;
    this.run.ended.delete(this.#died);
    this.#wire.ended(this, why);
  }

  /** Its process has ended: mostly somebody is left who says so. */
  #die(): void {
    if (!this.open) return;
    this.#dark = this.#wire.dice.chance(0.2);
    this.#leave("it has ended");
    if (this.#dark) this.#queue.length = 0;
    else this.#put({ kind: "closed", reason: "the connection was reset" });
  }

  #put(item: Item): void {
    this.#queue.push(item);
    this.buffered += size(item);
    this.#pump();
  }

  /** Gives the network what it takes. */
  #pump(): void {
    const { stage, forgotten } = this.#wire;
    const { clock, network } = stage;
    const other = this.#wire.other(this);
    while (!this.#waiting) {
      const [item] = this.#queue;
      if (!item) return;
      const { machine } = other.run.process;
      const ms = forgotten ? null : network.delay(this.run.process.machine, machine);
      if (ms === null) {
        this.#retry();
        return;
      }
      const stuck = this.#stuck !== null;
      this.#stuck = null;
      this.#again = AGAIN_MS;
      this.#queue.shift();
      this.buffered -= size(item);
      this.#last = Math.max(this.#last, clock.now + ms);
      this.#underWay.push(item);
      clock.at(this.#last, () => this.#arrive(other), { process: other.run.process });
      if (stuck && this.#queue.length === 0) clock.after(0, () => this.onDrain(), this.#own);
    }
  }

  #retry(): void {
    const { clock } = this.#wire.stage;
    this.#stuck ??= clock.now;
    if (clock.now - this.#stuck > this.#patience) {
      this.#said = false;
      this.#queue.length = 0;
      this.vanish("the connection timed out");
      return;
    }
    this.#waiting = true;
    clock.after(this.#again, () => {
      this.#waiting = false;
      this.#pump();
    });
    this.#again = Math.min(LATEST_MS, 2 * this.#again);
  }

  #arrive(other: End): void {
    const item = this.#underWay.shift();
    if (!item) throw new Error("more has arrived than was sent");
    if (!other.open) {
      if (item.kind !== "closed") other.#refuse(this);
      return;
    }
    if (item.kind === "opened") other.onOpened();
    else if (item.kind === "closed") {
      other.#leave(item.reason);
      other.onClose(item.reason);
    } else {
      this.#wire.stage.network.witness?.delivered(this.run.process, other.run.process);
      item.arrived?.();
      other.onMessage(item.bytes);
    }
  }

  /** Something has come for a connection that is not there any more; a machine without power says nothing. */
  #refuse(other: End): void {
    const { process } = this.run;
    if (this.#said || (this.#dark && !process.run)) return;
    const { clock, network } = this.#wire.stage;
    const ms = network.delay(process.machine, other.run.process.machine);
    if (ms !== null) clock.after(ms, () => other.vanish("the connection was reset"));
  }
}

/** Dials for one run: `connectSocket` of this network. */
export function dial(stage: Stage, network: Network, { from, to, url, deadlineMs, dice }: Dial): Promise<Socket> {
  const { clock, journal } = stage;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const own = { run: from, process: from.process };
  let over = false;
  let wire: Wire | null = null;
  const fail = (why: string) => {
    if (over) return;
    over = true;
    deadline.cancelled = true;
    wire?.dialler.vanish(why);
    reject(new Error(`cannot connect to ${new URL(url).host}: ${why}`));
  };
  const deadline = clock.after(deadlineMs, () => fail(`no answer within ${deadlineMs} ms`), own);
  const back = (why: string) => {
    const ms = network.delay(to.machine, from.process.machine);
    if (ms !== null) clock.after(ms, () => fail(why), own);
  };
  const arrive = async () => {
    const { run } = to;
    if (over || !from.alive) return;
    if (!run?.fetch) return back("it was refused");
    const response = await run.fetch(new Request(url.replace(/^ws/, "http")), {
      remoteAddress: from.process.machine.address,
      upgrade(accept) {
        wire = new Wire(stage, { from, to: run, dice });
        const { dialler, acceptor } = wire;
        journal.write(`${from.process.name} has a connection to ${to.name}`);
        dialler.onOpened = () => {
          if (over) return dialler.close(1000, "too late");
          over = true;
          deadline.cancelled = true;
          resolve(dialler);
        };
        acceptor.opened();
        accept(acceptor);
        return new Response(null, { status: 204 });
      },
    });
    if (!wire) back(`expected a WebSocket, got status ${response.status}`);
  };
  let again = 1_000;
  const send = () => {
    if (over || !from.alive) return;
    const ms = network.delay(from.process.machine, to.machine);
    if (ms !== null) return void clock.after(ms, () => void arrive(), { process: to });
    clock.after(again, send);
    again *= 2;
  };
  send();
  return promise;
}

interface Dial {
  from: Run;
  to: Run["process"];
  url: string;
  deadlineMs: number;
  dice: Dice;
}
