import type { TokenRole } from "./caller.ts";

/** A credential as it is kept: the secret itself is known to its holder alone. */
export interface Token {
  id: string;
  role: TokenRole;
  /** What the one who made it calls it. */
  name: string | null;
  /** The node (agent) or driver that it is bound to; null: any. */
  bound_to: string | null;
  /** SHA-256 of the secret, lower-case hex. */
  hash: string;
  /** RFC 3339 */
  created_at: string;
  expires_at: string | null;
  /** How often it may still be used to join; null: as often as wanted. */
  uses_left: number | null;
}

/** Where a tier keeps its tokens. */
export interface TokenStore {
  find(id: string): Promise<Token | null>;
  list(): Promise<Token[]>;
  add(token: Token): Promise<void>;
  /** False: there is none. */
  revoke(id: string): Promise<boolean>;
  /** Takes one use; false when none is left, or the token is gone. */
  use(id: string): Promise<boolean>;
}

const base64url = (bytes: Uint8Array) =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

/** 256 random bits. */
export const newSecret = () => base64url(random(32));

/** Short, because people type it to revoke; unique enough, because it is looked up and never guessed at. */
export const newTokenId = () => [...random(6)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const encoder = new TextEncoder();

export async function sha256(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Compares digests in a time that says nothing of where they differ. */
export function sameDigest(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at += 1) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}

/** A token store that lives as long as the process. */
export function memoryTokens(
  kept: Token[] = [],
  saved: (tokens: Token[]) => Promise<void> = async () => {},
): TokenStore {
  const tokens = new Map(kept.map((token) => [token.id, token]));
  const save = () => saved([...tokens.values()]);
  return {
    find: async (id) => tokens.get(id) ?? null,
    list: async () => [...tokens.values()],
    async add(token) {
      tokens.set(token.id, token);
      await save().catch((error) => {
        // Nobody is told its secret.
        tokens.delete(token.id);
        throw error;
      });
    },
    async revoke(id) {
      const known = tokens.get(id);
      if (!known) return false;
      tokens.delete(id);
      await save().catch((error) => {
        // Whoever asked is told that it failed, and may ask again.
        tokens.set(id, known);
        throw error;
      });
      return true;
    },
    async use(id) {
      const token = tokens.get(id);
      if (!token) return false;
      if (token.uses_left === null) return true;
      if (token.uses_left <= 0) return false;
      token.uses_left -= 1;
      await save();
      return true;
    },
  };
}
