import { z } from "zod";
import { type Peer, PeerError, type PeerRequest } from "../../../client/peer.ts";
import { SourceErrorCode } from "../../../contract/hardware.ts";
import { OperationStatus } from "../../../contract/operation.ts";
import { PROBLEMS, type ProblemCode, SinewError } from "../../../contract/problem.ts";
import { addRequest, answerRequest, answersTo, dropRequests, requestsTo } from "../../../db/queries/fleet/requests.ts";
import { getNode } from "../../../db/queries/nodes.ts";
import { createLimiter } from "../../limiter.ts";
import { type Fleet, isOwn, type Tracked } from "../fleet.ts";

/** Between two looks without being told to: while an answer is waited for, and else. */
const WAITING_MS = 250;
const IDLE_MS = 1_000;
/** What this conductor asks, and what it is asked, at once. */
const ASKED_AT_ONCE = 1_000;
const ANSWERED_AT_ONCE = 64;
/** An answer passes through the database. */
const MAX_BYTES = 8 * 2 ** 20;

/** What is asked of a node that another conductor has. */
const Question = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("request"),
    method: z.enum(["GET", "POST"]).optional(),
    path: z.string(),
    body: z.unknown().optional(),
    headers: z.record(z.string(), z.string()).optional(),
    deadlineMs: z.number(),
    maxBytes: z.number(),
  }),
  z.object({ kind: z.literal("discover"), deadlineMs: z.number() }),
]);
type Question = z.infer<typeof Question>;

/** Looser than what this version knows: a conductor of a later one may say more. */
const Answer = z.union([
  z.object({ value: z.unknown() }),
  z.object({
    peer: z.object({ code: z.string(), message: z.string(), status: z.number().nullable(), problem: z.any() }),
  }),
  z.object({ problem: z.object({ code: z.string(), detail: z.string() }) }),
  z.object({ error: z.string() }),
]);

/** How conductors ask each other for what only the one that has a node can do: by rows, which both look at. */
export interface Exchange {
  /** A node, whoever has it: what is asked goes to the one that has it then. */
  peer(node: string): Peer;
  /** Has whoever owns a node do its discovery. */
  discover(node: string): Promise<Discovered>;
  /** This conductor was taken for dead: what it had asked is gone, and nobody answers it. */
  forsaken(): void;
  start(): void;
  stop(): void;
}

/** To whoever waits for what this conductor asked while it was taken for dead. */
const FORSAKEN = {
  problem: {
    code: "unavailable",
    detail: "the other conductors took this one for dead; what was done of this is not known",
  },
};

interface Answering {
  /** What a node of this conductor's own is asked by another. Throws SinewError where it is not to be asked. */
  own(node: string): Tracked;
  discover(tracked: Tracked): Promise<Discovered>;
}

export function createExchange(fleet: Fleet, { own, discover }: Answering): Exchange {
  const { db, world, limits } = fleet;
  const waiting = new Map<string, (answer: unknown) => void>();
  const working = new Set<string>();
  const limited = createLimiter(ANSWERED_AT_ONCE);
  let cancel = () => {};
  let unwatch = () => {};
  let looking = false;
  let again = false;

  /** Where a node is to be asked. Throws SinewError. */
  async function ownerOf(node: string): Promise<string | null> {
    const tracked = fleet.members.get(node);
    if (tracked && isOwn(fleet, tracked)) return null;
    const row = await getNode(db.read, node);
    const owner = row?.owner ?? null;
    if (owner === fleet.presence.id) return null;
    if (owner !== null && fleet.presence.isThere(owner)) return owner;
    const detail = `node ${row?.name ?? node} is between two conductors: one has ended, and the other begins`;
    throw new SinewError("unavailable", detail, { retryAfter: 1 });
  }

  async function ask(owner: string, node: string, question: Question): Promise<unknown> {
    if (waiting.size >= ASKED_AT_ONCE)
      throw new SinewError("unavailable", "too much is asked of other conductors", { retryAfter: 1 });
    const id = world.uuid();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    promise.catch(() => {}); // whoever waits hears of it below
    waiting.set(id, resolve);
    const late = `another conductor has this node, and gave no answer within ${Math.round(question.deadlineMs)} ms`;
    const clear = world.timer(question.deadlineMs, () => reject(new PeerError("timeout", late)));
    try {
      const { kind, ...request } = question;
      const row = { id, owner, asker: fleet.presence.id, node_id: node, kind, request: JSON.stringify(request) };
      await db.write((tx) => addRequest(tx, { ...row, created_at: world.now().toISOString() }));
      schedule();
      return heard(await promise);
    } finally {
      clear();
      waiting.delete(id);
      await db
        .write((tx) => dropRequests(tx, [id]))
        .catch((error) => world.log("warn", "a request to another conductor stays behind", { error: String(error) }));
    }
  }

  async function answer(node: string, question: Question): Promise<unknown> {
    const tracked = own(node);
    if (tracked.conflict?.blocks) throw new SinewError("node_conflict", "two machines say to be this node");
    if (question.kind === "discover") return discover(tracked);
    const { kind: _, ...request } = question;
    return tracked.peer.request({ ...request, maxBytes: Math.min(request.maxBytes, MAX_BYTES) });
  }

  async function work({ id, node_id, kind, request }: { id: string; node_id: string; kind: string; request: string }) {
    try {
      const said = await limited(async () => answer(node_id, Question.parse({ ...JSON.parse(request), kind }))).then(
        (value) => ({ value: value ?? null }),
        sayError,
      );
      await db.write((tx) => answerRequest(tx, id, JSON.stringify(said)));
    } catch (error) {
      // Whoever waits for it gives up in time.
      world.log("error", "what another conductor asked could not be answered", { error: String(error) });
    } finally {
      working.delete(id);
    }
  }

  async function look() {
    const { id, shared } = fleet.presence;
    if (waiting.size > 0 || shared) {
      const unknown: string[] = [];
      for (const { id: answered, response } of await answersTo(db.read, id)) {
        const resolve = waiting.get(answered);
        if (resolve) resolve(JSON.parse(response));
        else unknown.push(answered);
      }
      // Nobody waits for it: it was answered too late, or by a run before this one.
      if (unknown.length > 0) await db.write((tx) => dropRequests(tx, unknown));
    }
    if (!shared) return;
    for (const row of await requestsTo(db.read, id, 2 * ANSWERED_AT_ONCE)) {
      if (working.has(row.id)) continue;
      working.add(row.id);
      void work(row);
    }
  }

  function wake() {
    if (fleet.stopped || (waiting.size === 0 && !fleet.presence.shared)) return;
    again = true;
    if (!looking) void lookOn();
  }

  async function lookOn() {
    looking = true;
    while (again && !fleet.stopped) {
      again = false;
      await look().catch((error) =>
        world.log("error", "other conductors' requests could not be read", { error: String(error) }),
      );
    }
    looking = false;
  }

  function schedule() {
    cancel();
    if (fleet.stopped) return;
    cancel = world.timer(waiting.size > 0 ? WAITING_MS : IDLE_MS, () => {
      wake();
      schedule();
    });
  }

  return {
    peer: (node) => ({
      endpoint: fleet.members.get(node)?.peer.endpoint ?? "http://link",
      async request(request: PeerRequest) {
        try {
          const owner = await ownerOf(node);
          if (owner === null) return await own(node).peer.request(request);
          return PeerAnswer.parse(await ask(owner, node, { kind: "request", ...request, body: request.body }));
        } catch (error) {
          throw asPeerError(error);
        }
      },
    }),
    async discover(node) {
      const owner = await ownerOf(node);
      if (owner === null) return discover(own(node));
      const deadlineMs = limits.discoveryMs + limits.deadlineMs;
      return Discovered.parse(await ask(owner, node, { kind: "discover", deadlineMs }));
    },
    forsaken() {
      for (const answer of waiting.values()) answer(FORSAKEN);
    },
    start() {
      unwatch = db.watch(wake);
      schedule();
    },
    stop() {
      cancel();
      unwatch();
    },
  };
}

/** What keeps a node from being asked is, to whoever asks, that it is out of reach. */
function asPeerError(error: unknown): unknown {
  if (!(error instanceof SinewError)) return error;
  const { code, message, retryAfter } = error;
  const problem = { code, detail: message, ...(retryAfter === undefined ? {} : { retry_after: retryAfter }) };
  return new PeerError("unreachable", message, { status: PROBLEMS[code][0], problem });
}

const Discovered = z.object({ found: z.number(), status: OperationStatus, error: z.string().nullable() });
type Discovered = z.infer<typeof Discovered>;

const PeerAnswer = z.object({ status: z.number(), body: z.unknown(), size: z.number() });

function sayError(error: unknown): z.infer<typeof Answer> {
  if (error instanceof PeerError) {
    const { code, message, status, problem } = error;
    return { peer: { code, message, status, problem } };
  }
  if (error instanceof SinewError) return { problem: { code: error.code, detail: error.message } };
  return { error: error instanceof Error ? error.message : String(error) };
}

/** What the other conductor was answered. Throws what it said that it had thrown. */
function heard(said: unknown): unknown {
  const answer = Answer.parse(said);
  if ("value" in answer) return answer.value;
  if ("peer" in answer) {
    const code = SourceErrorCode.safeParse(answer.peer.code);
    const { message, status, problem } = answer.peer;
    throw new PeerError(code.success ? code.data : "invalid", message, { status, problem });
  }
  if ("error" in answer) throw new Error(answer.error);
  const { code, detail } = answer.problem;
  throw new SinewError(code in PROBLEMS ? (code as ProblemCode) : "unavailable", detail);
}
