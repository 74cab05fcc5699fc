import { SinewError } from "../../../contract/problem.ts";
import type { Database } from "../../../db/database.ts";
import type { ChangeFilter } from "../../../db/queries/changes.ts";
import { sleep, type World } from "../../../world.ts";
import type { Follower, Reader } from "./follower.ts";
import { newIn, PAGE, type Page, positionText, readPage } from "./page.ts";
import { checkPosition } from "./position.ts";

/** SQLite tells of no commit of another process, and a word of PostgreSQL can be lost: so often it is looked anyway. */
const LOOK_MS = 1_000;
/** Between two looks: many small commits are one page for every follower. */
const PAUSE_MS = 10;
const PAUSE_MS_EACH = 0.05;
const KEEP_ALIVE_MS = 15_000;
/** Pages that were read last, for all who follow: one that reads nothing until its place has left here is closed. */
const RECENT_BYTES = 8 * 2 ** 20;
/** A follower comes again after this, with what credentials it has then. */
const LONGEST_MS = 3_600_000;
const FOLLOWERS = 4_096;
/** Of one caller, so that there is room for others. */
const FOLLOWERS_EACH = 1_024;
/** With the second for which a credential is believed a revoked one ends within two. */
const RECHECK_MS = 1_000;

const encoder = new TextEncoder();
const KEEP_ALIVE = encoder.encode(": keep-alive\n\n");

export interface FollowOptions {
  epoch?: string | undefined;
  reader?: Reader | null;
  /** Only what is asked for; where a reader of a part is it learns with each keep-alive. */
  filter?: ChangeFilter | null;
  onClose?: () => void;
}

export interface Feed {
  /**
   * The changes after `since` as an event stream without end; `onClose` hears when it has ended on this side. Nothing is
   * read for it before its first bytes are asked for, which end it where there is no place by then. Throws SinewError epoch,
   * too_old, rate_limited.
   */
  follow(since: number, options: FollowOptions): Promise<ReadableStream>;
  /** How many follow, and the last revision that the slowest of them has been given; null: nobody follows. */
  figures(): { followers: number; slowest: number | null };
  /** Ends all streams. Those that come later end at once. */
  stop(): void;
}

/** One reader of the log for all who follow it: it looks once for each wake-up, and all are given the same bytes. */
export function createFeed(db: Database, world: World): Feed {
  const followers = new Set<Follower>();
  let recent: Page[] = [];
  let size = 0;
  /** Where the shared pages end. */
  let position = 0;
  /** Resolves once the first follower's looking has begun. */
  let begun: Promise<void> | null = null;
  let failing = false;
  let stopped = false;
  let looking: Promise<void> | null = null;
  let again = false;
  let unwatch = () => {};
  let cancelLook = () => {};
  let cancelKeepAlive = () => {};
  let cancelRecheck = () => {};

  function end(follower: Follower) {
    if (follower.ended) return;
    follower.ended = true;
    followers.delete(follower);
    follower.close();
    follower.wake?.();
    if (followers.size === 0) rest();
  }

  function share(page: Page) {
    // All have gone, and others have come, while it was read.
    if (page.after !== position) return;
    recent.push(page);
    size += page.bytes.byteLength;
    position = page.last;
    while (size > RECENT_BYTES && recent.length > 1) size -= recent.shift()?.bytes.byteLength ?? 0;
    const oldest = recent[0]?.after ?? position;
    for (const follower of followers) {
      if (follower.met && follower.at < oldest) end(follower);
      else follower.wake?.();
    }
  }

  /** Reads what is new, one page after the other. */
  async function read() {
    do {
      again = false;
      for (;;) {
        const page = await readPage(db, position);
        if (page === "too old") for (const follower of followers) end(follower);
        if (page === null || page === "too old" || followers.size === 0) break;
        share(page);
        await sleep(world, page.revisions.length < PAGE ? PAUSE_MS + PAUSE_MS_EACH * followers.size : 0);
      }
    } while (again && followers.size > 0);
  }

  function look() {
    again = true;
    if (looking || followers.size === 0) return;
    cancelLook();
    looking = read()
      .then(
        () => {
          failing = false;
        },
        (error) => {
          if (!failing) world.log("warn", "the feed cannot read the changes", { error: String(error) });
          failing = true;
        },
      )
      .finally(() => {
        looking = null;
        if (followers.size > 0) cancelLook = world.timer(LOOK_MS, look);
      });
  }

  function keepAlive() {
    for (const follower of followers) {
      // Quiet has to mean that nothing changed: who is told otherwise asks again, and hears why.
      if (failing || world.monotonic() - follower.since > LONGEST_MS) end(follower);
      follower.keepAlive = true;
      follower.wake?.();
    }
    if (followers.size > 0) cancelKeepAlive = world.timer(KEEP_ALIVE_MS, keepAlive);
  }

  /** Ends the streams of those whose credential was taken back: a stream would outlive it else. */
  async function recheck(own: Promise<void> | null) {
    const readers = new Map([...followers].map(({ reader }) => [reader?.name, reader]));
    for (const [name, reader] of readers) {
      // What cannot be looked up says nothing; a feed that cannot be read ends by itself.
      const may = await reader?.may?.().catch(() => true);
      if (may === false) for (const follower of followers) if (follower.reader?.name === name) end(follower);
    }
    if (begun === own && own) cancelRecheck = world.timer(RECHECK_MS, () => void recheck(own));
  }

  /** Nobody follows: nothing is read, and no timer runs. */
  function rest() {
    begun = null;
    unwatch();
    cancelLook();
    cancelKeepAlive();
    cancelRecheck();
    recent = [];
    size = 0;
  }

  /** Those who come later than here by themselves begin where the log ends now. */
  function begin(): Promise<void> {
    const own: Promise<void> = db.revision().then((revision) => {
      // All have gone meanwhile; those who have come since have begun anew.
      if (begun !== own) return;
      position = revision;
      unwatch = db.watch(look);
      cancelKeepAlive = world.timer(KEEP_ALIVE_MS, keepAlive);
      cancelRecheck = world.timer(RECHECK_MS, () => void recheck(own));
      look();
    });
    own.catch(() => {
      if (begun === own) begun = null;
    });
    return own;
  }

  function placeFor(reader: Reader | null): boolean {
    const same = reader === null ? [] : [...followers].filter((one) => one.reader?.name === reader.name);
    return followers.size < FOLLOWERS && same.length < FOLLOWERS_EACH;
  }

  /** The shared page that goes on from a revision; null: there is none, or it has left. */
  function pageAfter(at: number): Page | null {
    for (let index = recent.length - 1; index >= 0; index -= 1) {
      const page = recent[index];
      if (page && page.after <= at) return page.last > at ? page : null;
    }
    return null;
  }

  /** The next bytes; null: the stream ends. */
  async function next(follower: Follower): Promise<Uint8Array | null> {
    begun ??= begin();
    await begun;
    for (;;) {
      if (follower.ended) return null;
      const page = pageAfter(follower.at);
      if (page) {
        follower.met = true;
        const bytes = newIn(page, follower.at, follower.filter);
        follower.at = page.last;
        if (bytes.byteLength > 0) return bytes;
      } else if (follower.at < position) {
        const upTo = position;
        const own = await readPage(db, follower.at);
        if (own === "too old") return null;
        // Not every revision is a change, the newest one neither.
        if (own === null) follower.at = Math.max(follower.at, upTo);
        else {
          const bytes = newIn(own, follower.at, follower.filter);
          follower.at = own.last;
          follower.met = own.last >= position;
          return bytes.byteLength > 0 ? bytes : positionText(own.last);
        }
      } else {
        follower.met = true;
        if (follower.keepAlive) {
          follower.keepAlive = false;
          return follower.filter === null ? KEEP_ALIVE : positionText(follower.at);
        }
        await new Promise<void>((resume) => {
          follower.wake = resume;
        });
        follower.wake = null;
      }
    }
  }

  return {
    figures: () => ({
      followers: followers.size,
      slowest: [...followers].reduce<number | null>((least, { at }) => Math.min(least ?? at, at), null),
    }),
    async follow(since, { epoch, reader = null, filter = null, onClose = () => {} }) {
      const newest = await db.revision();
      await checkPosition(db, since, { epoch, newest });
      if (!placeFor(reader)) {
        const most = `${FOLLOWERS} streams, and ${FOLLOWERS_EACH} of one caller, may be open`;
        throw new SinewError("rate_limited", most, { retryAfter: 10 });
      }
      const hello = { epoch: db.epoch, revision: newest };
      let opening: Uint8Array | null = encoder.encode(`event: epoch\ndata: ${JSON.stringify(hello)}\n\n`);
      const follower: Follower = {
        ...{
          reader,
          filter,
          at: since,
          since: world.monotonic(),
          met: false,
          ended: stopped,
          wake: null,
          keepAlive: false,
        },
        close: () => {},
      };
      return new ReadableStream<Uint8Array>(
        {
          start(controller) {
            follower.close = () => {
              try {
                // One that never reads is asked for nothing more: it ends here.
                if (!follower.wake) controller.close();
              } catch {
                // The far end has gone already.
              }
              onClose();
            };
          },
          async pull(controller) {
            // Not earlier: an answer to HEAD is never read.
            if (!follower.ended && !followers.has(follower)) {
              if (placeFor(reader)) followers.add(follower);
              else end(follower);
            }
            const bytes = opening ?? (await next(follower).catch(() => null));
            opening = null;
            if (bytes && !follower.ended) return controller.enqueue(bytes);
            end(follower);
            try {
              controller.close();
            } catch {
              // It is closed.
            }
          },
          cancel: () => end(follower),
        },
        { highWaterMark: 0 },
      );
    },
    stop() {
      stopped = true;
      for (const follower of followers) end(follower);
    },
  };
}
