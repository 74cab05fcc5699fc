import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Away, Exit } from "../../src/cli/exit.ts";
import type { Kind } from "../../src/cli/get/kind.ts";
import { type Screen, watch } from "../../src/cli/get/watch.ts";
import type { Conductor } from "../../src/cli/operator/conductor.ts";
import { follow, type News } from "../../src/cli/operator/follow.ts";
import type { Change } from "../../src/contract/change.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-follow-"));
const token = join(home, "token");
writeFileSync(token, "0123456789ab.secret");
afterAll(() => rmSync(home, { recursive: true }));

/** Answers each request for the feed as its turn says, and keeps what was asked. */
function feed(...turns: (() => Response)[]) {
  const asked: URLSearchParams[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      asked.push(new URL(request.url).searchParams);
      return (turns[Math.min(asked.length, turns.length) - 1] ?? (() => new Response()))();
    },
  });
  servers.push(server);
  const where = { url: server.url.origin, token, flag: "--conductor" };
  return { where, asked };
}
const servers: ReturnType<typeof Bun.serve>[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

const events = (text: string) => () => new Response(text, { headers: { "content-type": "text/event-stream" } });
const EPOCH = 'event: epoch\ndata: {"epoch":"e1","revision":9}\n\n';
const change = (revision: number) => `id: ${revision}\nevent: state\ndata: ${JSON.stringify({ revision })}\n\n`;
const problem = (status: number, detail: string) => () => Response.json({ detail }, { status });

/** What is heard until `enough`. */
async function heard(
  where: Parameters<typeof follow>[0],
  enough: (news: News[]) => boolean,
  from = () => 5,
): Promise<News[]> {
  const abort = new AbortController();
  const news: News[] = [];
  for await (const one of follow(where, { from, signal: abort.signal, filter: { node: "n1" } })) {
    if (one.kind !== "quiet") news.push(one);
    if (enough(news)) abort.abort();
  }
  return news;
}
const revisions = (news: News[]) => news.map((one) => (one.kind === "change" ? one.change.revision : one.kind));

test("follow() reads an event of any number of parts, and looks at it once", async () => {
  const PARTS = 4_000;
  const part = new TextEncoder().encode("x".repeat(16_000));
  const long = () => {
    let sent = 0;
    const body = new ReadableStream({
      async pull(controller) {
        sent += 1;
        if (sent === 1) controller.enqueue(new TextEncoder().encode(`${EPOCH}: `));
        else if (sent <= PARTS) controller.enqueue(part);
        else if (sent === PARTS + 1) controller.enqueue(new TextEncoder().encode("\n"));
        else if (sent === PARTS + 2) controller.enqueue(new TextEncoder().encode(`\n${change(6)}`));
        else controller.close();
        // Each is a part of its own.
        await Bun.sleep(0);
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const { where } = feed(long);
  expect(revisions(await heard(where, (news) => news.length === 1))).toEqual([6]);
}, 30_000);

test("follow() goes on where the stream broke off, with the epoch that it knows", async () => {
  const { where, asked } = feed(events(EPOCH + change(6) + change(8)), events(EPOCH + change(9)));
  expect(revisions(await heard(where, (news) => news.length === 3))).toEqual([6, 8, 9]);
  expect(asked.map((query) => Object.fromEntries(query))).toEqual([
    { node: "n1", since: "5" },
    { node: "n1", since: "8", epoch: "e1" },
  ]);
});

test("follow() takes how far a stream of a part has come from its comments", async () => {
  const { where, asked } = feed(events(`${EPOCH}: keep-alive\nid: 40\n\n`), events(EPOCH + change(41)));
  expect(revisions(await heard(where, (news) => news.length === 1))).toEqual([41]);
  expect(asked[1]?.get("since")).toBe("40");
});

test("follow() says that the list is to be read again where the feed was forgotten, and goes on from there", async () => {
  let from = 5;
  const { where, asked } = feed(problem(410, "too old"), events(EPOCH + change(31)));
  const news = await heard(
    where,
    (all) => {
      if (all.at(-1)?.kind === "listAgain") from = 30;
      return all.length === 2;
    },
    () => from,
  );
  expect(revisions(news)).toEqual(["listAgain", 31]);
  expect(asked[1]?.get("since")).toBe("30");
  expect(asked[1]?.has("epoch")).toBe(false);
});

test("follow() tries again what may pass, and ends with what the conductor refuses", async () => {
  const { where } = feed(
    problem(503, "not now"),
    problem(429, "too much"),
    events("data: {\n\n"),
    problem(401, "no token"),
  );
  const news: News[] = [];
  const all = (async () => {
    for await (const one of follow(where, { from: () => 0, signal: new AbortController().signal })) news.push(one);
  })();
  await expect(all).rejects.toThrow("answered 401: no token");
  expect(news.map(({ kind }) => kind)).toEqual(["lost", "lost", "lost"]);
});

test("watch() sees a node go with all of its devices, a line for each", async () => {
  const MANY = 50_000;
  const numbers = Array.from({ length: MANY }, (_, at) => at + 1);
  const { where } = feed(events(EPOCH + numbers.map(change).join("")), problem(401, "the end"));
  const kind = { key: (row: number) => `row ${row}`, inFeed: true } as unknown as Kind<number>;
  const gone: number[] = [];
  const screen: Screen<number> = {
    rows: async () => {},
    forgotten: async (rows) => void gone.push(...rows),
    left: () => {},
    lost: async () => {},
  };
  const asking = {
    list: async () => ({ rows: numbers, revision: 0 }),
    touched: async ({ revision }: Change) => ({ rows: [], forgotten: `row ${revision}` }),
  };
  const watching = watch({ where } as Conductor, kind, asking, { screen, signal: new AbortController().signal });
  await expect(watching).rejects.toThrow("the end");
  expect(gone).toEqual(numbers);
}, 30_000);

test("watch() asks about a change until it is answered, and ends where it is refused", async () => {
  const { where } = feed(events(EPOCH + change(6) + change(7)));
  const kind = { key: (row: number) => String(row), inFeed: true } as unknown as Kind<number>;
  const shown: number[] = [];
  const lost: string[] = [];
  const screen: Screen<number> = {
    rows: async (rows) => void shown.push(...rows),
    forgotten: async () => {},
    left: () => {},
    lost: async (why) => void lost.push(why),
  };
  const answers = [() => Promise.reject(new Away("away")), async () => ({ rows: [{ row: 6, leaves: false }] })];
  const refused = async () => {
    throw new Exit(1, "refused");
  };
  const asking = {
    list: async () => ({ rows: [5], revision: 5 }),
    touched: (_: Change) => (answers.shift() ?? refused)(),
  };
  const watching = watch({ where } as Conductor, kind, asking, { screen, signal: new AbortController().signal });
  await expect(watching).rejects.toThrow("refused");
  expect(shown).toEqual([5, 6]);
  expect(lost).toEqual(["away"]);
});
