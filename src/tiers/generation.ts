import { sha256 } from "../auth/token.ts";
import type { Condition } from "../contract/condition.ts";

// Wording, clocks, and the speed that a link has at the moment: a device raises it for work and lowers it after.
const LEFT_OUT = new Set(["observed_at", "message", "speed_gts"]);

/** A link that is fast or slow for now is the same link; with lanes missing it is another. */
export const isSpeed = (value: { type?: unknown; status?: unknown; reason?: unknown } | null | undefined) =>
  value?.type === "LinkFull" && (value.status === "true" || value.reason === "LinkSlow");

const counted = (key: string, value: unknown) =>
  LEFT_OUT.has(key) ? undefined : isSpeed(value as Parameters<typeof isSpeed>[0]) ? "LinkFull" : value;

/**
 * A digest of what a driver or agent shows: 32 hex digits that change exactly when hardware, sources or the node's
 * conditions do.
 * Arrays count in the order given, so callers sort before they ask.
 */
export async function generationOf(list: {
  hardware: unknown[];
  sources: unknown[];
  conditions?: readonly Condition[];
}): Promise<string> {
  // Of the node's own what is said is said once, when it changes: how many are missing is in the message alone.
  const node = (list.conditions ?? []).map((one) => [one.type, one.status, one.reason, one.message, one.since]);
  const shown = { hardware: list.hardware, sources: list.sources, ...(node.length > 0 ? { node } : {}) };
  const text = JSON.stringify(shown, counted);
  return digestOf(text);
}

/** 32 hex digits of the text's SHA-256. */
export async function digestOf(text: string): Promise<string> {
  return (await sha256(text)).slice(0, 32);
}
