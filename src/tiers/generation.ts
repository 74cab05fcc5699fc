import { sha256 } from "../auth/token.ts";

// Wording and clocks: they change without anything having changed.
const LEFT_OUT = new Set(["observed_at", "message"]);

/**
 * A digest of what a driver or agent shows: 32 hex digits that change exactly when hardware or sources do.
 * Arrays count in the order given, so callers sort before they ask.
 */
export async function generationOf(list: { hardware: unknown[]; sources: unknown[] }): Promise<string> {
  const text = JSON.stringify({ hardware: list.hardware, sources: list.sources }, (key, value) =>
    LEFT_OUT.has(key) ? undefined : value,
  );
  return digestOf(text);
}

/** 32 hex digits of the text's SHA-256. */
export async function digestOf(text: string): Promise<string> {
  return (await sha256(text)).slice(0, 32);
}
