import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A tier that is asked as its operator. */
export interface Asked {
  name: string;
  url: string;
  state: string;
}

export class NoAnswer extends Error {}

/** Answers with a status that no fault explains: an error of ours, or a refusal of what is right. */
export const wrongAnswers: string[] = [];
/** What a tier may say while what it needs is away. */
const EXCUSED = [502, 503, 504];

/** What a tier answers, parsed. Throws NoAnswer while it gives none, which is no fault of its own. */
export async function ask<T>(at: Asked, path: string, init: { body?: unknown; ms?: number } = {}): Promise<T> {
  const url = `${at.url}${path}`;
  let response: Response;
  let text: string;
  try {
    const token = readFileSync(join(at.state, "operator.token"), "utf8").trim();
    response = await fetch(url, {
      method: init.body === undefined ? "GET" : "POST",
      headers: {
        authorization: `Bearer ${token}`,
        ...(init.body === undefined ? {} : { "content-type": "application/json" }),
      },
      signal: AbortSignal.timeout(init.ms ?? 2_000),
      ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
      ...(at.url.startsWith("https:") ? { tls: { ca: readFileSync(join(at.state, "tls", "ca.crt"), "utf8") } } : {}),
    });
    text = await response.text();
  } catch (error) {
    throw new NoAnswer(`${at.name}: ${error instanceof Error ? error.message : error}`);
  }
  if (response.ok) return JSON.parse(text) as T;
  if (!EXCUSED.includes(response.status))
    wrongAnswers.push(`${at.name} answered ${response.status} to ${path}: ${text.slice(0, 300)}`);
  throw new NoAnswer(`${at.name} answered ${response.status} to ${path}`);
}

/** All pages of a list, and the revision of the first. */
export async function pages<T>(
  at: Asked,
  path: string,
  of: string,
): Promise<{ items: T[]; revision: number; last: number; rest: Record<string, unknown> }> {
  const items: T[] = [];
  let revision: number | null = null;
  const join = path.includes("?") ? "&" : "?";
  for (let token = ""; ; ) {
    const page = await ask<Record<string, unknown>>(
      at,
      `${path}${join}limit=1000${token && `&page_token=${encodeURIComponent(token)}`}`,
    );
    items.push(...(page[of] as T[])); // by the contract, which other tests hold it to
    const last = Number(page.revision ?? 0);
    revision ??= last;
    if (typeof page.next_page_token !== "string") return { items, revision, last, rest: page };
    token = page.next_page_token;
  }
}
