import { SinewError } from "../contract/problem.ts";
import type { World } from "../world.ts";
import { createAttempts } from "./attempts.ts";
import { type Caller, IN_PROCESS } from "./caller.ts";
import { checkPass } from "./pass.ts";
import { createRate } from "./rate.ts";
import { sameDigest, sha256, type Token, type TokenStore } from "./token.ts";

export type AuthMode = "open" | "required";

export interface GateOptions {
  mode: AuthMode;
  /** `operator.secret`, as in the state directory; null: there is none. */
  operatorToken: string | null;
  tokens: TokenStore;
  world: Pick<World, "now" | "monotonic">;
}

/** What a gate may look at of a request: its credential and where it comes from. */
export interface Visit {
  /** The Authorization header. */
  authorization: string | null;
  remoteAddress: string | null;
  /** The listener's own URL; null where it is not known. */
  local: string | null;
  /** It is to change something: counted by caller. */
  write: boolean;
  /** Known already by the transport: a tier of this process, or the far end of a link. */
  caller?: Caller | undefined;
}

/** Tells who calls. */
export interface Gate {
  readonly mode: AuthMode;
  /** Throws SinewError unauthorized, or rate_limited: an address that keeps guessing, a caller that writes too much. */
  identify(visit: Visit): Promise<Caller>;
  /** Counts one more write of a caller that is known already; false where it has to wait. */
  spend(caller: Caller): boolean;
  /** Who showed this header a moment ago, or shows none where none is needed; null: ask `identify`. For readers that are served from memory. */
  recall(authorization: string | null): Caller | null;
}

const ANYONE: Caller = { role: "anyone", name: "anyone" };
/** A token that was right is right for this long without being looked up: a revoked one works no longer than that. */
const REMEMBERED_MS = 1_000;
const MOST_REMEMBERED = 1_000;
/** Ours are shorter. */
const LONGEST = 2_048;

export function createGate({ mode, operatorToken, tokens, world }: GateOptions): Gate {
  const attempts = createAttempts(world.monotonic);
  const rate = createRate(world.monotonic);
  const remembered = new Map<string, { caller: Caller; until: number }>();

  async function callerOf(credential: string, local: string | null): Promise<Caller | null> {
    if (credential.length > LONGEST) return null;
    const parts = credential.split(".");
    if (parts.length === 3 && operatorToken !== null) {
      const now = world.now().getTime();
      const good = await checkPass(credential, { operatorToken, url: local, now });
      return good ? { role: "admin", name: "this node", local: true } : null;
    }
    const [id, secret] = parts;
    if (parts.length !== 2 || id === undefined || secret === undefined) return null;
    const hash = await sha256(secret);
    if (id === "operator") {
      const own = operatorToken?.split(".")[1];
      const right = own !== undefined && sameDigest(hash, await sha256(own));
      return right ? { role: "admin", name: "operator.token", local: true } : null;
    }
    const token = await tokens.find(id);
    if (!token || !sameDigest(hash, token.hash)) return null;
    if (token.expires_at !== null && Date.parse(token.expires_at) <= world.now().getTime()) return null;
    return callerBy(token);
  }

  function recall(authorization: string | null): Caller | null {
    if (authorization === null) return mode === "open" ? ANYONE : null;
    const before = remembered.get(authorization);
    return before && before.until > world.monotonic() ? before.caller : null;
  }

  async function known({ authorization, remoteAddress, local }: Visit): Promise<Caller> {
    const before = recall(authorization);
    if (before) return before;
    const credential = /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
    if (credential === undefined) {
      if (mode === "open") return ANYONE;
      throw unauthorized(authorization === null ? "none" : "another kind of Authorization header");
    }
    const now = world.monotonic();
    // A right credential is never refused for the wrong ones that came from the same address: it is looked at first.
    const found = await callerOf(credential, local);
    if (found) {
      if (remembered.size >= MOST_REMEMBERED) remembered.clear();
      // A pass ends by itself; a join token's uses are counted.
      const isPass = credential.split(".").length === 3;
      if (!isPass && found.role !== "join") {
        remembered.set(authorization ?? "", { caller: found, until: now + REMEMBERED_MS });
      }
      return found;
    }
    if (mode === "open") return ANYONE;
    const wait = attempts.wrong(remoteAddress);
    if (wait === null) throw unauthorized("one that is wrong, expired, revoked or used up");
    throw new SinewError("rate_limited", `too many wrong credentials from this address; again in ${wait} s`, {
      retryAfter: wait,
    });
  }

  /** Seconds to wait. Of those who have not said who they are nobody is told apart; within the process nobody is a stranger. */
  const spend = (caller: Caller): number | null =>
    caller.role === "anyone" || caller === IN_PROCESS ? null : rate.spend(caller.name);

  return {
    mode,
    recall,
    spend: (caller) => spend(caller) === null,
    async identify(visit) {
      const caller = visit.caller ?? (await known(visit));
      if (!visit.write) return caller;
      const wait = spend(caller);
      if (wait === null) return caller;
      throw new SinewError("rate_limited", `${caller.name} writes too often`, { retryAfter: wait });
    },
  };
}

const unauthorized = (found: string) =>
  new SinewError("unauthorized", `expected "Authorization: Bearer TOKEN", got ${found}`);

function callerBy({ id, role, name, bound_to, uses_left }: Token): Caller {
  const common = { token: id, name: name === null ? `token ${id}` : `token ${id} (${name})` };
  return role === "agent"
    ? { ...common, role: "join", node: bound_to, usedUp: uses_left === 0 }
    : { ...common, role, ...(role === "driver" ? { driver: bound_to } : {}) };
}
