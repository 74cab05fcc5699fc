// `bun bench/fleet/reader.ts URL CA-FILE SERVER-NAME TOKEN`: a conductor's readers. Takes a command on each line of stdin:
//   read PATH EVERY-MS   asks for it again and again, until the next command
//   rest                 stops asking
//   list PATH TIMES TAG  asks for it so often, one after the other, with If-None-Match where there is a tag
//   follow               follows the feed from now on; tells how many changes came that a benchmark marked
//   times                tells count, p50, p99 and max of the reads since the last time, and of the changes' delays
import { readFileSync } from "node:fs";

const [base = "", caFile = "", serverName = "", token = ""] = process.argv.slice(2);
const tls = { ca: readFileSync(caFile, "utf8"), serverName, rejectUnauthorized: true };
const headers = { authorization: `Bearer ${token}` };
const tell = (line: object) => console.log(JSON.stringify(line));
const now = () => performance.timeOrigin + performance.now();
const ask = (path: string, more: Record<string, string> = {}) =>
  fetch(`${base}${path}`, { headers: { ...headers, ...more }, tls });

let reads: number[] = [];
let failed = 0;
let delays: number[] = [];
let followed = 0;
let era = 0;

const at = (sorted: number[], part: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;

async function read(path: string, everyMs: number): Promise<void> {
  const mine = ++era;
  while (mine === era) {
    const since = performance.now();
    try {
      const response = await ask(path);
      await response.arrayBuffer();
      // One that was under way when the next command came is not of it.
      if (mine !== era) return;
      if (response.ok) reads.push(performance.now() - since);
      else failed += 1;
    } catch {
      if (mine === era) failed += 1;
    }
    await Bun.sleep(Math.max(1, everyMs - (performance.now() - since)));
  }
}

/** When each marked change of this text was made. */
function take(text: string): void {
  const time = now();
  for (const [, made] of text.matchAll(/bench_changed_at\\*":([\d.]+)/g)) {
    delays.push(time - Number(made));
    followed += 1;
  }
}

async function follow(): Promise<void> {
  const { revision } = (await (await ask("/hardware?limit=1")).json()) as { revision: number };
  const stream = await ask(`/changes?since=${revision}`, { accept: "text/event-stream" });
  const isStream = stream.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  tell({ following: 1, stream: isStream ? 1 : 0 });
  setInterval(() => tell({ followed }), 100);
  if (isStream && stream.body) {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream.body) {
      const text = rest + decoder.decode(chunk, { stream: true });
      const end = text.lastIndexOf("\n") + 1;
      take(text.slice(0, end));
      rest = text.slice(end);
    }
    return;
  }
  for (let since = revision; ; ) {
    const text = await (await ask(`/changes?since=${since}&limit=1000`)).text();
    take(text);
    const { changes } = JSON.parse(text) as { changes: { revision: number }[] };
    since = changes.at(-1)?.revision ?? since;
    if (changes.length === 0) await Bun.sleep(10);
  }
}

let listed = 0;
async function list(path: string, times: number, tag: string): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    const response = await ask(path, tag ? { "if-none-match": `"${tag}"` } : {});
    await response.arrayBuffer();
    if (response.status !== 200) throw new Error(`${path}: expected 200, got ${response.status}`);
  }
  listed += times;
  tell({ listed });
}

let asked = 0;
for await (const line of console) {
  const [word, ...args] = line.split(" ");
  if (word === "read") void read(args[0] ?? "/", Number(args[1]));
  else if (word === "rest") era += 1;
  else if (word === "follow") void follow();
  else if (word === "list") await list(args[0] ?? "/", Number(args[1]), args[2] ?? "");
  else if (word === "times") {
    const sorted = reads.sort((a, b) => a - b);
    const late = delays.sort((a, b) => a - b);
    tell({
      ...{ reads: sorted.length, failed, p50: at(sorted, 0.5), p99: at(sorted, 0.99), max: sorted.at(-1) ?? 0 },
      ...{ delays: late.length, delay50: at(late, 0.5), delay99: at(late, 0.99), delayMax: late.at(-1) ?? 0 },
      asked: ++asked,
    });
    reads = [];
    delays = [];
    failed = 0;
  }
}
