import type { Change } from "../../contract/change.ts";
import { Away, Exit } from "../exit.ts";
import { parseJson, refused, send, textOf } from "./call.ts";
import type { Where } from "./way.ts";

/** The feed says something every 15 s, if only that it is quiet. */
const SILENT_MS = 60_000;
const PAUSE_MS = { first: 250, most: 5_000 };

/**
 * What a reader of the feed hears: a change, or `listAgain` where what was missed is not kept any more. `quiet`: it is heard,
 * and there is no change now, which is also said first of each stream. `lost`: the conductor is away, and is tried again.
 */
export type News =
  | { kind: "change"; change: Change }
  | { kind: "listAgain" }
  | { kind: "quiet" }
  | { kind: "lost"; why: string };

/**
 * The changes after a revision, as they come (all, or what `filter` of the feed lets pass), until `signal`: over whatever breaks the stream. After `listAgain` it goes on
 * from what `from` then says. Throws Exit where the conductor refuses.
 */
export async function* follow(
  where: Where,
  options: { from: () => number; signal: AbortSignal; filter?: Record<string, string> },
): AsyncGenerator<News, void> {
  const { from, signal, filter = {} } = options;
  let at: number | null = null;
  let epoch: string | null = null;
  let pause = PAUSE_MS.first;
  while (!signal.aborted) {
    const since = at ?? from();
    const query = new URLSearchParams({ ...filter, since: String(since), ...(epoch === null ? {} : { epoch }) });
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENT_MS);
    try {
      const { url, response } = await send(where, {
        path: `/changes?${query}`,
        headers: { accept: "text/event-stream" },
        signal: AbortSignal.any([signal, silence.signal]),
      });
      if (response.status === 410) {
        await textOf(response);
        [at, epoch] = [null, null];
        yield { kind: "listAgain" };
      } else if (!response.ok || !response.body) {
        throw refused(where, url, response.status, parseJson(await textOf(response)));
      }
      for await (const { event, data, id } of response.ok && response.body ? eventsOf(response.body) : []) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENT_MS);
        pause = PAUSE_MS.first;
        if (event === "epoch") {
          epoch = (JSON.parse(data) as { epoch: string }).epoch;
          yield { kind: "quiet" };
        } else if (data === "") {
          // A stream of a part says so how far it has come.
          if (/^\d+$/.test(id)) at = Number(id);
          yield { kind: "quiet" };
        } else {
          const change = JSON.parse(data) as Change; // our own tier's, whose schema its tests check
          at = change.revision;
          yield { kind: "change", change };
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Exit && !(error instanceof Away)) throw error;
      yield { kind: "lost", why: error instanceof Exit ? error.message : "the stream of changes broke off" };
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
    // Each stream ends once, and one that ends at once is not to be asked for without a pause.
    await sleep(pause, signal);
    pause = Math.min(pause * 2, PAUSE_MS.most);
  }
}

/** Waits, but no longer than until `signal`. */
export const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resume) => {
    if (signal.aborted) return resume();
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resume();
    }
  });

const MOST_CHARACTERS = 64 * 1024 * 1024;

/** Events of a stream (HTML standard, 9.2.6); a comment is one without data. */
async function* eventsOf(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<{ event: string; data: string; id: string }> {
  const decoder = new TextDecoder();
  let text = "";
  let broken = false;
  for await (const chunk of body) {
    const part = decoder.decode(chunk, { stream: true });
    if (part === "") continue;
    text += part;
    if (text.length > MOST_CHARACTERS) throw new Error(`expected events of at most ${MOST_CHARACTERS} characters`);
    // All of an event is looked at once, when it has ended, however many parts it comes in; its end may be in two of them.
    const ended = part.includes("\n\n") || (broken && part.startsWith("\n"));
    broken = part.endsWith("\n");
    if (!ended) continue;
    const whole = text.split("\n\n");
    text = whole.pop() ?? "";
    for (const lines of whole) {
      const found = { event: "message", data: "", id: "" };
      for (const line of lines.split("\n")) {
        const [, field, value = ""] = /^(event|data|id): ?(.*)$/.exec(line) ?? [];
        if (field === "event") found.event = value;
        else if (field === "data") found.data = value;
        else if (field === "id") found.id = value;
      }
      yield found;
    }
  }
}
