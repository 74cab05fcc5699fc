import type { Socket } from "../../../client/link/socket.ts";
import type { World } from "../../../world.ts";

/** Handshakes at once. A whole fleet dials within seconds: with more than a few begun, none ends sooner. */
const AT_ONCE = 128;
/** A turn is for a dialler that answers soon: one that does not costs the others no more than this. */
const SOON_MS = 100;
/** Connections that wait. What was spent on one is lost where it is refused, so it is far more than a fleet of one conductor. */
const WAITING = 32_768;

/** Whose handshake is next. */
export interface Turns {
  /**
   * Calls `begin` when the socket's turn has come, in the order of the calls, and `gone` where it ended before. False: too
   * many wait, and neither will be called.
   */
  wait(socket: Socket, begin: () => Promise<unknown>, gone: () => void): boolean;
}

/**
 * A handshake's deadline begins with its turn, so that none fails for being behind others: a fleet whose proofs came too
 * late would dial again, and none of it would ever be done.
 */
export function createTurns(
  world: Pick<World, "timer">,
  { atOnce = AT_ONCE, waiting: most = WAITING }: { atOnce?: number; waiting?: number } = {},
): Turns {
  const waiting = new Set<() => void>();
  let running = 0;

  function next() {
    for (const begin of waiting) {
      if (running >= atOnce) return;
      waiting.delete(begin);
      begin();
    }
  }

  function run(begin: () => Promise<unknown>) {
    running += 1;
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      cancel();
      running -= 1;
      next();
    };
    const cancel = world.timer(SOON_MS, end);
    begin().then(end, end);
  }

  return {
    wait(socket, begin, gone) {
      if (running < atOnce && waiting.size === 0) {
        run(begin);
        return true;
      }
      if (waiting.size >= most) return false;
      const turn = () => run(begin);
      const leave = () => {
        if (waiting.delete(turn)) gone();
      };
      socket.onClose = leave;
      // It has not been asked anything yet, and nothing that it says is kept.
      socket.onMessage = () => {
        leave();
        socket.close(4400, "expected nothing before the challenge");
      };
      waiting.add(turn);
      return true;
    },
  };
}
