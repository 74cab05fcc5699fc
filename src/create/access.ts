import { type Audit, type AuditStore, createAudit, memoryAudit } from "../auth/audit.ts";
import type { TokenRole } from "../auth/caller.ts";
import { createDesk, type Desk } from "../auth/desk.ts";
import { type AuthMode, createGate, type Gate } from "../auth/gate.ts";
import { signPass } from "../auth/pass.ts";
import { memoryTokens, type TokenStore } from "../auth/token.ts";
import { isHere } from "../config-values.ts";
import type { World } from "../world.ts";

/** What callers are checked against. */
export interface AuthOptions {
  /** Default: required. Open is for listeners that only this host reaches. */
  mode?: AuthMode;
  /** `operator.SECRET`: whoever shows it is an admin. Default: none, so that tokens alone count. */
  operatorToken?: string | null;
  /** Default: the conductor's database; in memory for an agent or a driver. */
  tokens?: TokenStore;
  /** The listener speaks plain HTTP to other hosts: /healthz says so. */
  insecure?: boolean;
}

/** How a tier knows its callers, and keeps what they did. */
export interface Access {
  gate: Gate;
  desk: Desk;
  audit: Audit;
  insecure: boolean;
}

export function createAccess(
  auth: "open" | AuthOptions,
  world: World,
  own: {
    roles: readonly TokenRole[];
    tokens?: TokenStore;
    audit?: AuditStore;
    invite?: (credential: string) => string;
  },
): Access {
  // Told apart from "forgotten" even where no type checker looked: a tier that anyone may use is a decision.
  if (auth === undefined) throw new TypeError('expected auth: "open" or { operatorToken }, got nothing');
  const { mode = "required", operatorToken = null, ...given }: AuthOptions = auth === "open" ? { mode: "open" } : auth;
  const tokens = given.tokens ?? own.tokens ?? memoryTokens();
  return {
    gate: createGate({ mode, operatorToken, tokens, world }),
    desk: createDesk({ tokens, roles: own.roles, world, ...(own.invite ? { invite: own.invite } : {}) }),
    audit: createAudit(own.audit ?? memoryAudit(), world),
    insecure: given.insecure ?? false,
  };
}

/** What a tier shows to processes of its node, and nowhere else: the same port exists here. */
export const passes =
  (operatorToken: string, { now }: Pick<World, "now">) =>
  async (url: string) =>
    isHere(url) ? signPass(operatorToken, url, now().getTime()) : null;
