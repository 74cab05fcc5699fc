import type { Socket } from "../../../src/client/link/socket.ts";
import type { World } from "../../../src/world.ts";

/** One end of a pair of sockets in memory: what it sends waits until its network takes it. */
export class MemorySocket implements Socket {
  onMessage: Socket["onMessage"] = () => {};
  onDrain: Socket["onDrain"] = () => {};
  onClose: Socket["onClose"] = () => {};
  readonly remoteAddress = null;
  peer: MemorySocket | null = null;
  buffered = 0;
  /** The most that was ever queued, what was sent in all, and how the other end closed. */
  most = 0;
  sent: Uint8Array[] = [];
  closedFor: string | null = null;
  /** False: the network takes nothing, as when the far end does not read. */
  flowing = true;
  /** True: the next messages are dropped. */
  dropping = false;
  #queue: Uint8Array[] = [];
  #turning = false;

  send(bytes: Uint8Array): boolean {
    if (this.closedFor !== null || this.dropping) return false;
    this.sent.push(bytes);
    this.#queue.push(bytes);
    this.buffered += bytes.length;
    this.most = Math.max(this.most, this.buffered);
    this.#turn();
    return true;
  }

  flow(flowing: boolean): void {
    this.flowing = flowing;
    this.#turn();
  }

  close(_code: number, reason: string): void {
    if (this.closedFor !== null) return;
    this.closedFor = reason;
    // What was sent before arrives before, as on a network.
    setImmediate(() => {
      this.peer?.vanish(reason);
      this.onClose(reason);
    });
  }

  /** The connection is gone. */
  vanish(reason: string): void {
    if (this.closedFor !== null) return;
    this.closedFor = reason;
    this.onClose(reason);
  }

  /** One message a turn: both ends are at work at the same time. */
  #turn(): void {
    if (this.#turning || !this.flowing || this.#queue.length === 0) return;
    this.#turning = true;
    setImmediate(() => {
      this.#turning = false;
      if (!this.flowing) return;
      const bytes = this.#queue.shift();
      if (!bytes) return;
      this.buffered -= bytes.length;
      if (this.peer && this.peer.closedFor === null) this.peer.onMessage(bytes.slice());
      if (this.buffered === 0) this.onDrain();
      this.#turn();
    });
  }
}

export function memoryPair(): [MemorySocket, MemorySocket] {
  const [a, b] = [new MemorySocket(), new MemorySocket()];
  a.peer = b;
  b.peer = a;
  return [a, b];
}

/** Real time, and what was logged. */
export function testWorld() {
  const logged: { level: string; message: string; fields: Record<string, unknown> | undefined }[] = [];
  const world: Pick<World, "timer" | "monotonic" | "log" | "random"> = {
    timer: (ms, work) => {
      const id = setTimeout(work, ms);
      return () => clearTimeout(id);
    },
    monotonic: () => performance.now(),
    log: (level, message, fields) => logged.push({ level, message, fields }),
    random: Math.random,
  };
  return { world, logged };
}

export async function until(what: () => boolean, name: string): Promise<void> {
  for (let turn = 0; !what(); turn += 1) {
    if (turn > 20_000) throw new Error(`waited in vain: ${name}`);
    await new Promise((done) => setTimeout(done, turn < 50 ? 0 : 1));
  }
}
