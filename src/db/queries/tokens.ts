import { and, asc, eq, gt, isNull, or, sql } from "drizzle-orm";
import type { Token, TokenStore } from "../../auth/token.ts";
import type { Database } from "../connection.ts";
import type { TokenRow } from "../schema/tables.ts";

// `add` alone writes roles: what is read here was typed there.
const toToken = (row: TokenRow): Token => ({ ...row, role: row.role as Token["role"] });

/** The fleet's tokens: what one conductor revokes is gone for all that share the database. */
export const databaseTokens = (db: Database): TokenStore => ({
  async find(id) {
    const [row] = await db.read.query((q, { tokens }) => q.select().from(tokens).where(eq(tokens.id, id)));
    return row ? toToken(row) : null;
  },
  async list() {
    const rows = await db.read.query((q, { tokens }) => q.select().from(tokens).orderBy(asc(tokens.created_at)));
    return rows.map(toToken);
  },
  add: (token) => db.write(async (tx) => void (await tx.query((q, { tokens }) => q.insert(tokens).values(token)))),
  async revoke(id) {
    const gone = await db.write((tx) =>
      tx.query((q, { tokens }) => q.delete(tokens).where(eq(tokens.id, id)).returning({ id: tokens.id })),
    );
    return gone.length > 0;
  },
  async use(id) {
    // One statement: two machines with the last use of a token do not both get it.
    const used = await db.write((tx) =>
      tx.query((q, { tokens }) =>
        q
          .update(tokens)
          .set({ uses_left: sql`${tokens.uses_left} - 1` })
          .where(and(eq(tokens.id, id), or(isNull(tokens.uses_left), gt(tokens.uses_left, 0))))
          .returning({ id: tokens.id }),
      ),
    );
    return used.length > 0;
  },
});
