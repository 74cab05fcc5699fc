import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { databases, type TestDatabase } from "../support/databases.ts";
import { endAll, type RunningSinew, startSinew, until } from "../support/process.ts";
import { type Described, describedBy } from "./document.ts";
import { type Answer, byTheParser, complaint } from "./judge.ts";
import { random, seed } from "./random.ts";
import { type Caller, type FuzzRequest, makeRequest, needsSocket, type Seen } from "./request.ts";
import { makeShape } from "./shapes.ts";
import { type Connection, connect, wire } from "./socket.ts";

/** Requests in all. */
const BUDGET = Number(process.env.SINEW_TEST_BUDGET ?? 1000);
const AT_ONCE = 8;
/** Above what a busy heap comes to (10 MB seen), below what 20,000 requests leave that leak 5 kB each. */
const MAX_GROWTH = 64 * 1024 * 1024;
const MAX_MORE_DESCRIPTORS = 24;

interface Target {
  name: string;
  process: RunningSinew;
  /** Who may do everything. */
  operator: Caller;
  /** Who asks, each as often as another. */
  callers: Caller[];
  described: Described;
  seen: Seen;
  /** All that were sent as Authorization. */
  secrets: string[];
}

const root = join(import.meta.dir, "../..");
const folder = mkdtempSync(join(tmpdir(), "sinew-fuzz-"));
const STRANGER: Caller = { role: "stranger", authorization: null };
const Credential = z.object({ credential: z.string() });
const bearer = (role: string, token: string): Caller => ({ role, authorization: `Bearer ${token}` });
const headersOf = ({ authorization }: Caller) => ({ authorization: authorization ?? "" });

/** The roles that a tier makes tokens for, besides its operator. */
function rolesOf(args: string[]): string[] {
  if (args.includes("driver")) return [];
  return ["viewer", "operator", args.includes("agent") ? "driver" : "agent"];
}

async function made(url: string, role: string, operator: Caller): Promise<Caller> {
  const headers = { ...headersOf(operator), "content-type": "application/json" };
  const answer = await fetch(`${url}/tokens`, { method: "POST", headers, body: JSON.stringify({ role }) });
  return bearer(role, Credential.parse(await answer.json()).credential);
}

const Hardwares = z.looseObject({ hardware: z.array(z.looseObject({ uuid: z.string() })) });
const targets = new Map<string, Target>();
const opened: TestDatabase[] = [];

async function add(name: string, args: string[]): Promise<Target> {
  const recorded = args.includes("conductor") ? [] : ["--snapshot", join(root, "docs/example-host.json")];
  const state = args.includes("all") ? join(folder, "all") : join(folder, "node");
  const process = await startSinew(["--auth", "required", "--state", state, ...args, ...recorded]);
  const operator = bearer("admin", readFileSync(join(state, "operator.token"), "utf8").trim());
  const target: Target = {
    name,
    process,
    operator,
    callers: [
      STRANGER,
      operator,
      ...(await Promise.all(rolesOf(args).map((role) => made(process.url, role, operator)))),
    ],
    described: await describedBy(process.url, {}),
    seen: { uuids: [], operations: [], tokens: [], etags: [] },
    secrets: [],
  };
  targets.set(name, target);
  return target;
}

const names = ["agent", "driver", ...databases.map(({ name }) => `conductor on ${name}`)];
beforeAll(async () => {
  const start = async ({ name, open }: (typeof databases)[number]) => {
    const database = await open();
    opened.push(database);
    // Both have an agent below, so that there is something to ask for: one in a process of its own that shares its state
    // directory, and so is let in, one in the same process.
    await add(`conductor on ${name}`, ["--role", name === "sqlite" ? "conductor" : "all", "--db", database.url]);
  };
  await Promise.all(databases.map(start));
  const above = targets.get("conductor on sqlite")?.process.url ?? "";
  const agent = await add("agent", ["--role", "agent", "--conductor", above]);
  await add("driver", ["--role", "driver", "--driver", "gpu", "--agent", agent.process.url]);
  // Devices are there to be asked for by their uuids.
  for (const { process, seen, operator } of targets.values()) {
    await until(async () => {
      const { hardware } = Hardwares.parse(
        await (await fetch(`${process.url}/hardware`, { headers: headersOf(operator) })).json(),
      );
      seen.uuids = hardware.map(({ uuid }) => uuid).slice(0, 10);
      return seen.uuids.length > 0;
    });
  }
}, 30_000);
afterAll(async () => {
  await endAll();
  for (const database of opened) await database.close();
  rmSync(folder, { recursive: true, force: true });
});

const known = (name: string): Target => {
  const target = targets.get(name);
  if (!target) throw new Error(`there is no ${name}`);
  return target;
};

async function ask({ process }: Target, request: FuzzRequest): Promise<Answer | null> {
  if (needsSocket(request) || request.headers.some(([, value]) => /[^\x20-\x7e]/.test(value))) {
    const connection = await connect(process.url, wire(request));
    // The parser hangs up on some without a word.
    return (await connection.answers(5000))[0] ?? null;
  }
  const { method, target, body } = request;
  const headers = new Headers(request.headers);
  headers.set("connection", "close");
  const response = await fetch(process.url + target, {
    ...{ method, headers, body, redirect: "manual", signal: AbortSignal.timeout(15_000) },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const held: Connection[] = [];
async function sendShape(target: Target, index: number): Promise<void> {
  const shape = makeShape(random(target.name, index));
  const connection = await connect(target.process.url, shape.bytes);
  if (shape.answers === 0) {
    // Some hang up at once, some keep the server waiting for a while.
    held.push(connection);
    if (held.length > 40) held.shift()?.close();
    return;
  }
  const answers = await connection.answers(500);
  const wrong = answers.find((answer) => answer.status >= 500 && !byTheParser(answer));
  // A stranger is refused before its body is read: the parser's word on that comes afterwards, and is no second request.
  const requests = answers.filter((answer) => !byTheParser(answer)).length;
  if (wrong || requests > shape.answers) {
    const statuses = answers.map(({ status }) => status).join(", ") || "nothing";
    throw new Error(`${shape.name}: answered ${statuses}: ${JSON.stringify(shape.bytes.slice(0, 2000))}`);
  }
}

/** Keeps what an answer names, for later requests. */
function remember({ seen }: Target, { status, headers, text }: Answer): void {
  const keep = (list: string[], value: string | null | undefined) => {
    if (value && !list.includes(value)) list.push(value);
    if (list.length > 20) list.shift();
  };
  keep(seen.etags, headers.get("etag"));
  if (status !== 200 && status !== 202) return;
  keep(seen.operations, /"operation":"([^"]+)"/.exec(text)?.[1]);
  keep(seen.tokens, /"next_page_token":"([^"]+)"/.exec(text)?.[1]);
}

async function sendRequest(target: Target, index: number): Promise<void> {
  const chance = random(target.name, index);
  const request = makeRequest(chance, target.described, target.seen, chance.pick(target.callers));
  let answer: Answer | null;
  try {
    answer = await ask(target, request);
  } catch (error) {
    throw new Error(`${describe(request)}: ${error}`);
  }
  const wrong = answer && complaint(request, answer, target.described);
  if (answer && wrong) throw new Error(`${wrong}: ${describe(request)}: ${answer.text.slice(0, 1000)}`);
  const log = target.process.log();
  if (request.secrets.some((secret) => log.includes(secret)))
    throw new Error(`logged a secret of ${describe(request)}`);
  target.secrets.push(...request.secrets);
  if (answer) remember(target, answer);
}

const describe = (request: FuzzRequest) => {
  const body = request.body === null ? null : Buffer.from(request.body).toString("latin1").slice(0, 2000);
  return JSON.stringify({ ...request, body }).slice(0, 5000);
};

async function send(target: Target, from: number, to: number): Promise<void> {
  let index = from;
  const worker = async () => {
    while (index < to) {
      const mine = index++;
      try {
        await (mine % 8 === 7 ? sendShape : sendRequest)(target, mine);
      } catch (error) {
        throw new Error(`SINEW_TEST_SEED=${seed}, request ${mine} to the ${target.name}: ${error}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

const residentBytes = (pid: number) =>
  1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
const descriptors = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;

test.concurrent.each(names)(
  "the %s answers whatever is sent as it says, and stays as it is",
  async (name) => {
    const target = known(name);
    const { pid, url } = target.process;
    const idle = descriptors(pid);
    const each = Math.ceil(BUDGET / names.length);
    const warm = Math.ceil(each / 3);
    await send(target, 0, warm);
    const before = residentBytes(pid);
    await send(target, warm, each);
    for (const connection of held.splice(0)) connection.close();
    await until(() => descriptors(pid) <= idle + MAX_MORE_DESCRIPTORS);
    await until(() => residentBytes(pid) <= before + MAX_GROWTH);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    const log = target.process.log();
    expect(target.secrets.filter((secret) => log.includes(secret))).toEqual([]);
  },
  300_000,
);
