import { z } from "zod";
import { text } from "../text.ts";

const time = z.iso.datetime({ offset: true });

export const TokenRole = z
  .enum(["viewer", "operator", "admin", "metrics", "agent", "driver"])
  .meta({ id: "TokenRole", description: "agent: to join as one node. driver: to report to an agent" });

/** A credential as it is listed: never its secret. */
export const TokenInfo = z
  .object({
    id: z.string(),
    role: TokenRole,
    name: z.string().nullable(),
    bound_to: z.string().nullable().meta({ description: "The node (id or name) or driver it is for; null: any" }),
    created_at: time,
    expires_at: time.nullable(),
    uses_left: z.int().nullable().meta({ description: "Joins left; null: as many as wanted" }),
  })
  .meta({ id: "Token" });
export type TokenInfo = z.infer<typeof TokenInfo>;
export const TokenList = z.object({ tokens: z.array(TokenInfo) }).meta({ id: "TokenList" });

export const NewToken = z
  .strictObject({
    role: TokenRole,
    name: text(253).optional(),
    bound_to: text(253)
      .optional()
      .meta({ description: "agent: the one node, by id or name. driver: the one driver, by name" }),
    ttl_seconds: z
      .int()
      .min(1)
      .max(10 * 365 * 86_400)
      .optional()
      .meta({ description: "Default: one hour for role agent, else no end" }),
    uses: z
      .int()
      .min(1)
      .max(1_000_000)
      .nullable()
      .optional()
      .meta({ description: "Role agent: joins; null: as many as wanted. Default 1" }),
  })
  .meta({ id: "NewToken" });
export type NewToken = z.infer<typeof NewToken>;

export const MadeToken = TokenInfo.extend({
  credential: z.string().meta({ description: "The secret, shown this once: Authorization: Bearer <credential>" }),
  join: z.string().nullable().meta({ description: "Role agent: what `sinew start --join` takes" }),
}).meta({ id: "MadeToken" });
export type MadeToken = z.infer<typeof MadeToken>;
