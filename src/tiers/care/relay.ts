import { askHistory, askPlan, askSetup, askTelemetry, type Subject } from "../../client/care.ts";
import { followOperation } from "../../client/operation.ts";
import { type Peer, PeerError } from "../../client/peer.ts";
import { type ProblemCode, SinewError } from "../../contract/problem.ts";
import type { World } from "../../world.ts";
import type { Operations } from "../operations/operations.ts";
import { type Care, noSetup, refused, sameRequest } from "./care.ts";

/** A setup that is not over by then is followed no more; whoever carries it out goes on. */
const SETUP_MS = 20 * 60_000;
/** Setting up a device may take away the network for a while. */
const SILENCE_MS = 60_000;
const MAX_BYTES = 2 ** 20;

/** The tier below that has a device, and the uuid that it has there. */
export interface Below {
  peer: Peer;
  uuid: string;
  /** As people know it: `driver crypto`, `node n1`. */
  name: string;
}

/** For a plan, or a setup until it is under way: who has the device is looked for among all processes. */
const PLAN_MS = 25_000;

/** What a tier below says about the request or the device itself, so that it is the caller's answer as well. */
const RELAYED: readonly ProblemCode[] = [
  "invalid",
  "forbidden",
  "not_found",
  "ambiguous_uuid",
  "setup_refused",
  "busy",
  "rate_limited",
  "unavailable",
  "peer_failed",
  "peer_timeout",
];
/** What a peer answers that has no such route: one of the seed's. */
const NO_ROUTE = [404, 405, 501];

/** A peer's fault as this tier's answer. */
function relayed(error: unknown, { name }: Below): unknown {
  if (!(error instanceof PeerError)) return error;
  const { problem, code, message } = error;
  if (problem && RELAYED.includes(problem.code)) {
    const { errors, retry_after } = problem;
    return new SinewError(problem.code, problem.detail, { errors, retryAfter: retry_after, cause: error });
  }
  return new SinewError(code === "timeout" ? "peer_timeout" : "peer_failed", `${name}: ${message}`, { cause: error });
}

/** Hands what is asked of a device to the tier below that has it, and gives its answers. */
export function relayCare(options: {
  /** Where the device is. Throws SinewError not_found or ambiguous_uuid; `gone`: one that has left will do. */
  find: (uuid: string, options?: { gone: boolean }) => Promise<Below>;
  operations: Operations;
  world: World;
  deadlineMs: number;
}): Care {
  const { find, operations, world, deadlineMs } = options;

  /** Asks, and gives the answer or `without`, which a peer that has no such route leaves. */
  async function ask<T>(below: Below, request: (subject: Subject) => Promise<T>, without: () => T): Promise<T> {
    try {
      return await request({ peer: below.peer, uuid: below.uuid, deadlineMs });
    } catch (error) {
      const noRoute = error instanceof PeerError && error.problem === null && NO_ROUTE.includes(error.status ?? 0);
      if (noRoute) return without();
      throw relayed(error, below);
    }
  }
  const patient = (subject: Subject): Subject => ({ ...subject, deadlineMs: Math.max(deadlineMs, PLAN_MS) });
  const nothing = (what: string) => () => {
    throw new SinewError("not_found", what);
  };

  return {
    async telemetry(uuid) {
      const below = await find(uuid);
      return { ...(await ask(below, askTelemetry, nothing(`${below.name} measures nothing of its devices`))), uuid };
    },
    async history(uuid) {
      const below = await find(uuid, { gone: true });
      return ask(below, askHistory, nothing(`${below.name} keeps no history of its devices`));
    },
    async plan(uuid, request, { actor }) {
      const below = await find(uuid);
      return ask(
        below,
        (subject) => askPlan(patient(subject), request, actor),
        () => ({ plan: noSetup(below.name) }),
      );
    },
    async setup(uuid, request, { actor }) {
      const below = await find(uuid);
      return operations.begin({ kind: "setup", subject: uuid, request: sameRequest(request) }, async ({ report }) => {
        const operation = await ask(
          below,
          (subject) => askSetup(patient(subject), request, actor),
          () => {
            throw refused(noSetup(below.name).refusals);
          },
        );
        report([]);
        const { children, status } = await followOperation(below.peer, operation, world, {
          ...{ deadlineMs, maxBytes: MAX_BYTES, totalMs: SETUP_MS, silenceMs: SILENCE_MS },
          // Short, so that each step is seen when it begins.
          waitSeconds: 1,
          onProgress: ({ children }) => report(children),
        });
        report(children);
        return status;
      });
    },
  };
}
