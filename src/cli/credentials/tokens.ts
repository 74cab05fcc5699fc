import { z } from "zod";
import { TOKEN_ROLES } from "../../auth/caller.ts";
import { memoryTokens, type TokenStore } from "../../auth/token.ts";
import type { Log } from "../../world.ts";
import { fileStore } from "../store.ts";

const Tokens = z.object({
  version: z.literal(1),
  tokens: z.array(
    z.object({
      id: z.string(),
      role: z.enum(TOKEN_ROLES),
      name: z.string().nullable(),
      bound_to: z.string().nullable(),
      hash: z.string(),
      created_at: z.string(),
      expires_at: z.string().nullable(),
      uses_left: z.int().nullable(),
    }),
  ),
});

/** Tokens in `<state>/tokens.json`, for a tier without a database. Only the process that has it open writes it. */
export async function fileTokens(state: string, log: Log): Promise<TokenStore> {
  const store = fileStore(`${state}/tokens.json`, log);
  const kept = await store.load();
  const parsed = kept === null ? null : Tokens.safeParse(kept);
  if (parsed && !parsed.success) await store.setAside?.("not what tokens are kept as");
  return memoryTokens(parsed?.data?.tokens ?? [], (tokens) => store.save({ version: 1, tokens }));
}
