import { type Peer, PeerError, type PeerRequest } from "../../../client/peer.ts";
import { SinewError } from "../../../contract/problem.ts";
import {
  addRequest,
  answerOf,
  answerRequest,
  answersTo,
  dropRequests,
  openRequest,
  requestsTo,
} from "../../../db/queries/fleet/requests.ts";
import { getNode } from "../../../db/queries/nodes.ts";
import { sleep } from "../../../world.ts";
import { createLimiter } from "../../limiter.ts";
import { type Fleet, isOwn, type Tracked } from "../fleet.ts";
import { asPeerError, Discovered, heard, PeerAnswer, Question, sayError } from "./words.ts";

/** Between two looks without being told to: while an answer is waited for, and else. */
const WAITING_MS = 250;
const IDLE_MS = 1_000;
/** After a look: each commit of this conductor wakes it, too, and there may be a thousand of them a second. */
const PAUSE_MS = 25;
/** What this conductor asks at once. */
const ASKED_AT_ONCE = 1_000;
/**
 * What it answers at once. Discoveries apart, which take minutes; and more of them than another conductor asks of all, because
 * the time that it waits for one begins when it asks.
 */
const ANSWERED_AT_ONCE = { request: 64, discover: 512 };
/** Requests looked at: those of four others that ask as much as they may. */
const LISTED = 4 * ASKED_AT_ONCE;
/** An answer passes through the database. */
const MAX_BYTES = 8 * 2 ** 20;

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

/** Something that another conductor asked. */
interface Work {
  /** The answer; null: none yet, or none is wanted any more. */
  said: string | null;
  /** The last look that had begun when this ended: only a later one shows whether the answer is stored. */
  ended: number;
}

interface Answering {
  /** What a node of this conductor's own is asked by another. Throws SinewError where it is not to be asked. */
  own(node: string): Tracked;
  discover(tracked: Tracked): Promise<Discovered>;
}

export function createExchange(fleet: Fleet, { own, discover }: Answering): Exchange {
  const { db, world, limits } = fleet;
  const waiting = new Map<string, { resolve: (answer: unknown) => void; answered: boolean }>();
  const works = new Map<string, Work>();
  const requesting = createLimiter(ANSWERED_AT_ONCE.request);
  const discovering = createLimiter(ANSWERED_AT_ONCE.discover);
  let looks = 0;
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
    waiting.set(id, { resolve, answered: false });
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
      await db
        .write((tx) => dropRequests(tx, [id]))
        .catch((error) => world.log("warn", "a request to another conductor stays behind", { error: String(error) }));
      // Last: what nobody waits for is dropped by a look, which then need not.
      waiting.delete(id);
    }
  }

  async function answer(node: string, question: Question): Promise<unknown> {
    const tracked = own(node);
    if (tracked.conflict?.blocks) throw new SinewError("node_conflict", "two machines say to be this node");
    if (question.kind === "discover") return discover(tracked);
    const { kind: _, ...request } = question;
    return tracked.peer.request({ ...request, maxBytes: Math.min(request.maxBytes, MAX_BYTES) });
  }

  async function work(id: string, kind: string) {
    const work: Work = { said: null, ended: Number.POSITIVE_INFINITY };
    works.set(id, work);
    try {
      await (kind === "discover" ? discovering : requesting)(async () => {
        // Not before its turn: whoever asked may have given up by then.
        const row = await openRequest(db.read, id);
        if (!row) return;
        const said = await Promise.try(() =>
          answer(row.node_id, Question.parse({ ...JSON.parse(row.request), kind })),
        ).then((value) => ({ value: value ?? null }), sayError);
        work.said = JSON.stringify(said);
      });
    } catch (error) {
      // It was not begun.
      works.delete(id);
      world.log("error", "what another conductor asks could not be read", { error: String(error) });
      return;
    }
    await tell(id, work);
  }

  async function tell(id: string, work: Work) {
    const { said } = work;
    work.ended = Number.POSITIVE_INFINITY;
    try {
      if (said !== null) await db.write((tx) => answerRequest(tx, id, said));
      work.said = null;
    } catch (error) {
      world.log("error", "what another conductor asked could not be answered", { error: String(error) });
    } finally {
      work.ended = looks;
    }
  }

  async function look() {
    const { id, shared } = fleet.presence;
    if (waiting.size > 0 || shared) await hearAnswers(id);
    if (shared) await takeRequests(id);
  }

  async function hearAnswers(own: string) {
    const unknown: string[] = [];
    for (const id of await answersTo(db.read, own, ASKED_AT_ONCE)) {
      const asked = waiting.get(id);
      if (!asked) unknown.push(id);
      if (!asked || asked.answered) continue;
      const response = await answerOf(db.read, id);
      if (response === null) continue;
      asked.answered = true;
      asked.resolve(JSON.parse(response));
    }
    // Nobody waits for it: it was answered too late, or by a run before this one.
    if (unknown.length > 0) await db.write((tx) => dropRequests(tx, unknown));
  }

  async function takeRequests(own: string) {
    looks += 1;
    const at = looks;
    const asked = await requestsTo(db.read, own, LISTED);
    const listed = new Set(asked.map(({ id }) => id));
    for (const [id, work] of works) {
      if (work.ended >= at) continue;
      // What was done is not done again because its answer could not be stored, or was not seen to be yet.
      if (listed.has(id)) void tell(id, work);
      else if (asked.length < LISTED) works.delete(id);
    }
    for (const { id, kind } of asked) if (!works.has(id)) void work(id, kind);
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
      await sleep(world, PAUSE_MS);
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
      for (const { resolve } of waiting.values()) resolve(FORSAKEN);
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
