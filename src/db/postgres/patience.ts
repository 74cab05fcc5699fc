import { Socket } from "node:net";

/** How long a database may take, in milliseconds. */
export interface Deadlines {
  /** The server itself ends a statement after this: it says so, and the connection stays good. */
  statementMs: number;
  /** So that one which has said nothing for this long while it is asked something does not answer any more. */
  silentMs: number;
  tickMs: number;
}

export const DEADLINES: Deadlines = { statementMs: 15_000, silentMs: 20_000, tickMs: 1_000 };

/** Where a connection goes to, as postgres.js says it. */
interface Place {
  host: string[];
  port: number[];
  path?: string | false;
}

/** Connections of which those are closed that give no answer, as none does where the packets of a server are lost. */
export interface Patience {
  /** Opens a connection; for postgres.js, which would leave it to TCP to give one up: a quarter of an hour. */
  socket(place: Place): Socket;
  /** The server is asked something from now on; the result says that it has answered. */
  waiting(): () => void;
  close(): void;
}

interface Watched {
  /** Read at the last tick. */
  bytes: number;
  /** Ticks since something was read. */
  silent: number;
}

/**
 * Counts ticks of this process, in each of which it would have heard an answer, and no time: that passes while it is
 * suspended. What was sent on a connection that is closed so may have been done.
 */
export function createPatience({ tickMs, silentMs }: Omit<Deadlines, "statementMs">): Patience {
  const sockets = new Map<Socket, Watched>();
  const waits = new Set<{ ticks: number }>();
  let interval: ReturnType<typeof setInterval> | undefined;

  function tick() {
    if (waits.size === 0) return rest();
    let longest = 0;
    for (const wait of waits) {
      wait.ticks += 1;
      longest = Math.max(longest, wait.ticks);
    }
    for (const [socket, watched] of sockets) {
      watched.silent = socket.bytesRead === watched.bytes ? watched.silent + 1 : 0;
      watched.bytes = socket.bytesRead;
      // One that is not open yet has a deadline of its own.
      if (!socket.connecting && Math.min(longest, watched.silent) * tickMs > silentMs) give(socket);
    }
  }

  function rest() {
    clearInterval(interval);
    interval = undefined;
    for (const watched of sockets.values()) watched.silent = 0;
  }

  /** Those that rest are closed, too, as they go the same way: else each would have to be found out by a statement. */
  function give(socket: Socket) {
    sockets.delete(socket);
    // Under TLS nobody listens on it any more, and an error that nobody hears ends the process.
    socket.on("error", () => {});
    // Not by destroy(error): postgres.js 3.4.9 forgets what it is asked between that error and the close that follows.
    socket.emit("error", Object.assign(new Error(`no answer within ${silentMs / 1000} s`), { code: "ETIMEDOUT" }));
    socket.destroy();
  }

  return {
    socket({ host, port, path }) {
      const socket = new Socket();
      sockets.set(socket, { bytes: 0, silent: 0 });
      socket.on("close", () => sockets.delete(socket));
      const [name, at] = [host[0] ?? "localhost", port[0] ?? 5432];
      // What postgres.js itself sets; TLS needs the name.
      Object.assign(socket, { host: name, port: at });
      if (path) socket.connect(path);
      else socket.connect(at, name);
      return socket;
    },
    waiting() {
      const wait = { ticks: 0 };
      waits.add(wait);
      interval ??= setInterval(tick, tickMs);
      return () => void waits.delete(wait);
    },
    close: rest,
  };
}
