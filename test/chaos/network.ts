import { connect, createServer, type Socket } from "node:net";
import { freePort } from "../support/ports.ts";
import { isInside } from "./place.ts";

/** A way between two processes, by a port of ours in between. */
export interface Way {
  port: number;
  /** What is sent arrives nowhere, and nobody is told. */
  cut(): void;
  /** Every connection is reset, and every new one. */
  reset(): void;
  /** Each piece of what is sent takes so long. */
  slow(ms: number): void;
  heal(): void;
  close(): void;
}

const nft = (...words: string[]) =>
  Bun.spawnSync(["nft", words.join(" ")], { stdout: "ignore", stderr: "ignore" }).exitCode === 0;
/** In a network namespace of our own packets are dropped, SYNs among them; else what comes is not read. */
const canDrop =
  isInside &&
  nft("add table inet chaos") &&
  nft("add set inet chaos cut { type inet_service; }") &&
  nft("add chain inet chaos inward { type filter hook input priority 0; }") &&
  nft("add rule inet chaos inward tcp dport @cut drop") &&
  nft("add rule inet chaos inward tcp sport @cut drop");

/** Carries what is sent to its port on to `to`, and fails as it is told. */
export async function openWay(to: number): Promise<Way> {
  const port = freePort();
  const open = new Set<Socket>();
  let resetting = false;
  let stalled = false;
  let delayMs = 0;

  /** In order, each piece after its delay; the sender waits while the receiver does. */
  function carry(from: Socket, onward: Socket) {
    let sent = Promise.resolve();
    from.on("data", (bytes) => {
      if (delayMs === 0 && !stalled) {
        if (onward.write(bytes)) return;
        from.pause();
        onward.once("drain", () => stalled || from.resume());
        return;
      }
      from.pause();
      sent = sent.then(() => Bun.sleep(delayMs)).then(() => void (onward.destroyed || onward.write(bytes)));
      void sent.then(() => stalled || from.destroyed || from.resume());
    });
    from.on("end", () => void sent.then(() => onward.end()));
  }

  const server = createServer({ allowHalfOpen: true }, (near) => {
    if (resetting) return void near.resetAndDestroy();
    const far = connect({ port: to, host: "127.0.0.1", allowHalfOpen: true });
    for (const socket of [near, far]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {}); // the close that follows is what counts
      socket.on("close", () => {
        open.delete(socket);
        // As whoever had it died: a reset, not an end.
        if (!near.destroyed) near.resetAndDestroy();
        if (!far.destroyed) far.resetAndDestroy();
      });
    }
    carry(near, far);
    carry(far, near);
    if (stalled) for (const socket of [near, far]) socket.pause();
  });
  await new Promise<void>((done, fail) => {
    server.on("error", fail);
    server.listen(port, "127.0.0.1", done);
  });
  return {
    port,
    cut() {
      if (canDrop && nft(`add element inet chaos cut { ${port} }`)) return;
      stalled = true;
      for (const socket of open) socket.pause();
    },
    reset() {
      resetting = true;
      for (const socket of open) socket.resetAndDestroy();
    },
    slow(ms) {
      delayMs = ms;
    },
    heal() {
      if (canDrop) nft(`delete element inet chaos cut { ${port} }`);
      resetting = false;
      stalled = false;
      delayMs = 0;
      for (const socket of open) socket.resume();
    },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
