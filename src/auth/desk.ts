import type { MadeToken, NewToken, TokenInfo } from "../contract/access/token.ts";
import { SinewError } from "../contract/problem.ts";
import type { World } from "../world.ts";
import type { TokenRole } from "./caller.ts";
import { newSecret, newTokenId, sha256, type Token, type TokenStore } from "./token.ts";

/** A join token is for now; a person's or service's credential is until it is taken back. */
const JOIN_SECONDS = 3600;
const DAY_MS = 86_400_000;

export interface DeskOptions {
  tokens: TokenStore;
  /** What this tier can make use of. */
  roles: readonly TokenRole[];
  world: Pick<World, "now">;
  /** Makes a join token of a credential. Throws SinewError where nobody could use it. */
  invite?: (credential: string) => string;
}

/** Makes, lists and revokes the tokens of a tier. */
export function createDesk({ tokens, roles, world, invite }: DeskOptions) {
  const info = ({ hash: _, ...token }: Token): TokenInfo => token;
  /** For a day one sees in the list why a token is refused. */
  async function forgetExpired(now: Date) {
    for (const { id, expires_at } of await tokens.list()) {
      if (expires_at !== null && Date.parse(expires_at) + DAY_MS < now.getTime()) await tokens.revoke(id);
    }
  }

  return {
    async make({ role, name, bound_to, ttl_seconds, uses }: NewToken): Promise<MadeToken> {
      const bad = (pointer: string, detail: string) =>
        new SinewError("invalid", `${pointer}: ${detail}`, { errors: [{ pointer: `/${pointer}`, detail }] });
      if (!roles.includes(role)) {
        const where =
          role === "driver"
            ? "; driver tokens are made at the agent"
            : role === "agent"
              ? "; nodes join a conductor"
              : "";
        throw bad("role", `expected one of ${roles.join(", ")} here, got ${role}${where}`);
      }
      const joins = role === "agent";
      if (!joins && uses !== undefined) throw bad("uses", `expected none for role ${role}: only joins are counted`);
      if (!joins && role !== "driver" && bound_to !== undefined) {
        throw bad("bound_to", `expected none for role ${role}: it is for no single node or driver`);
      }
      const now = world.now();
      await forgetExpired(now);
      const seconds = ttl_seconds ?? (joins ? JOIN_SECONDS : null);
      const [id, secret] = [newTokenId(), newSecret()];
      const credential = `${id}.${secret}`;
      const join = joins && invite ? invite(credential) : null;
      const token: Token = {
        id,
        role,
        name: name ?? null,
        bound_to: bound_to ?? null,
        hash: await sha256(secret),
        created_at: now.toISOString(),
        expires_at: seconds === null ? null : new Date(now.getTime() + seconds * 1000).toISOString(),
        uses_left: joins ? (uses === undefined ? 1 : uses) : null,
      };
      await tokens.add(token);
      return { ...info(token), credential, join };
    },
    list: async () => (await tokens.list()).map(info),
    revoke: (id: string) => tokens.revoke(id),
  };
}
export type Desk = ReturnType<typeof createDesk>;
