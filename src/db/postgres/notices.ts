import type { Sql } from "postgres";

const CHANNEL = "sinew_commits";
/** A notice in each commit cost 60 % of the commits: so many a second tell as much. */
const PAUSE_MS = 50;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

/** Tells other processes that something was committed, and hears it of them. A notice may be lost: look now and then. */
export interface Notices {
  /** Something was committed here. */
  tell(): void;
  /** Begins to hear of the others. */
  hear(): void;
  close(): Promise<void>;
}

/** `connect` gives one connection of its own, kept open, that calls `onnotify` and `onclose`. */
export function createNotices(options: {
  writer: Sql;
  connect: (hooks: { onnotify: (channel: string, from: string) => void; onclose: () => void }) => Sql;
  wake: () => void;
}): Notices {
  const { writer, connect, wake } = options;
  const own = crypto.randomUUID();
  let pause: ReturnType<typeof setTimeout> | undefined;
  let more = false;
  let closed = false;
  let listening: Sql | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;

  function tell() {
    if (closed) return;
    more = pause !== undefined;
    if (more) return;
    // Without the server nobody has anything to hear of, and whoever missed this looks by itself.
    writer`SELECT pg_notify(${CHANNEL}, ${own})`.catch(() => {});
    pause = setTimeout(() => {
      pause = undefined;
      if (more) tell();
    }, PAUSE_MS);
  }

  function listen(delay: number) {
    if (closed) return;
    let over = false;
    const again = (ms: number) => {
      if (over) return;
      over = true;
      listening = null;
      sql.end({ timeout: 0 }).catch(() => {}); // it is gone already
      if (!closed) retry = setTimeout(() => listen(Math.min(LONGEST_RETRY_MS, ms * 2)), ms);
    };
    const sql = connect({
      onnotify: (channel, from) => {
        if (channel === CHANNEL && from !== own) wake();
      },
      onclose: () => again(delay),
    });
    listening = sql;
    sql.unsafe(`LISTEN ${CHANNEL}`).then(
      () => {
        delay = FIRST_RETRY_MS;
        // Something may have been committed before this was heard.
        wake();
      },
      () => again(delay),
    );
  }

  return {
    tell,
    hear() {
      if (listening === null && retry === undefined) listen(FIRST_RETRY_MS);
    },
    async close() {
      closed = true;
      clearTimeout(pause);
      clearTimeout(retry);
      await listening?.end({ timeout: 0 });
    },
  };
}
