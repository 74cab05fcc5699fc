import { z } from "zod";
import type { ProblemCode } from "../contract/problem.ts";
import { Problem } from "../contract/problem-schema.ts";
import { VERSION_HEADER } from "../contract/version.ts";
import type { Answer, Ask } from "./client.ts";
import type { Guests } from "./guests.ts";

export type TierName = "driver" | "agent" | "conductor";

/** What a check works with. */
export interface Context {
  tier: TierName;
  ask: Ask;
  /** Peers of conform's own, registered at the system when first asked for. */
  guests: Guests;
  /** The system says which version it speaks, so it is held to all of it, not to the seed alone. */
  extended: boolean;
  /** Seconds that what has to happen by itself may take. */
  patience: number;
}

/** One thing that an implementation does or does not. Checks run in order; each stands alone as far as it can. */
export interface Check {
  /** A sentence that begins with its subject. */
  name: string;
  tiers: readonly TierName[];
  /** Part of the seed's text: it must hold for everybody. */
  seed: boolean;
  run(context: Context): Promise<void>;
}

/** What an implementation does wrong, for people. */
export class Wrong extends Error {
  readonly expected: string;
  readonly found: string;
  constructor(expected: string, found: string) {
    super(`expected ${expected}, found ${found}`);
    this.name = "Wrong";
    this.expected = expected;
    this.found = found;
  }
}

/** Nothing is known: what the check needs is not there. */
export class Unchecked extends Error {
  override name = "Unchecked";
}

export const ALL = ["driver", "agent", "conductor"] as const;
export const UPPER = ["agent", "conductor"] as const;

const cut = (text: string) => (text.length > 200 ? `${text.slice(0, 200)}...` : text);
export const shown = (value: unknown) =>
  cut(typeof value === "string" ? JSON.stringify(value) : String(JSON.stringify(value)));

/** Throws Wrong, naming the request, unless `good`. */
export function want(good: boolean, expected: string, found: string): asserts good {
  if (!good) throw new Wrong(expected, found);
}

export function wantStatus(answer: Answer, ...statuses: number[]): void {
  const body = answer.text === "" ? "" : `: ${cut(answer.text)}`;
  want(
    statuses.includes(answer.status),
    `${answer.what} to answer ${statuses.join(" or ")}`,
    `${answer.status}${body}`,
  );
}

/** The JSON of an answer that says it is JSON. */
export function jsonOf(answer: Answer, type = "application/json"): unknown {
  const said = answer.headers.get("content-type");
  want(said?.split(";")[0]?.trim().toLowerCase() === type, `${answer.what} to answer ${type}`, String(said));
  try {
    return JSON.parse(answer.text) as unknown;
  } catch (error) {
    throw new Wrong(
      `${answer.what} to answer JSON`,
      `${error instanceof Error ? error.message : error}: ${cut(answer.text)}`,
    );
  }
}

/** The JSON of an answer in the shape of `schema`. */
export function shapeOf<T>(schema: z.ZodType<T>, answer: Answer, type?: string): T {
  const parsed = schema.safeParse(jsonOf(answer, type));
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const faults = issues.slice(0, 3).map(({ path, message }) => `/${path.map(String).join("/")}: ${message}`);
  const more = issues.length > faults.length ? `; and ${issues.length - faults.length} more` : "";
  const id = schema.meta()?.id;
  throw new Wrong(`${answer.what} to answer ${id ? `a ${id}` : "the documented JSON"}`, `${faults.join("; ")}${more}`);
}

/** The answer is this error, as RFC 9457 has it. */
export function wantProblem(answer: Answer, status: number, code: ProblemCode): void {
  wantStatus(answer, status);
  const problem = shapeOf(Problem, answer, "application/problem+json");
  want(problem.code === code, `${answer.what} to answer the code ${code}`, problem.code);
  want(problem.status === status, `${answer.what} to say its status ${status} in the body`, String(problem.status));
  wantVersion(answer);
}

export function wantVersion(answer: Answer): void {
  const version = answer.headers.get(VERSION_HEADER);
  want(
    version !== null && /^\d+\.\d+$/.test(version),
    `${answer.what} to answer with ${VERSION_HEADER}`,
    String(version),
  );
}

/** Looks until there is something; throws Wrong with what was seen last. */
export async function until<T>(
  expected: string,
  seconds: number,
  look: () => Promise<T | null> | T | null,
  found: () => string,
): Promise<T> {
  const end = performance.now() + seconds * 1000;
  for (let pause = 20; ; pause = Math.min(500, pause * 1.5)) {
    const seen = await look();
    if (seen !== null) return seen;
    if (performance.now() > end) throw new Wrong(`${expected} within ${seconds} s`, found());
    await new Promise((resume) => setTimeout(resume, pause));
  }
}

export const isUuid = (value: unknown): value is string => z.guid().safeParse(value).success;
