import type { Caller, Visitor } from "../../src/auth/caller.ts";
import { memoryTokens } from "../../src/auth/token.ts";

/** Who calls while auth mode is open, from this host. */
export const ANYONE: Caller = { role: "anyone", name: "anyone" };
export const VISITOR: Visitor = { caller: ANYONE, remoteAddress: null };

/** What a conductor's tier needs of the things around it, where a test calls it directly. */
export const alone = () => ({
  id: "the-conductor",
  tokens: memoryTokens(),
  onRefused: () => {},
  fetch: () => new Response(null, { status: 404 }),
});
