import { z } from "zod";
import { PROBLEMS, type ProblemCode } from "../contract/problem.ts";

/** Of a refusal's text: more is of no use to a reader. */
const LONGEST = 1_000;
const MOST_ERRORS = 64;

const codes = Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]];
const words = z.string().transform((text) => text.slice(0, LONGEST));

/** A peer's problem document (RFC 9457), as far as it is read: with a code that this version knows. */
const PeerProblem = z.object({
  code: z.enum(codes),
  detail: words,
  errors: z
    .array(z.object({ pointer: words, detail: words }))
    .transform((errors) => errors.slice(0, MOST_ERRORS))
    .optional(),
  retry_after: z.int().min(0).max(86_400).optional(),
});
export type PeerProblem = z.infer<typeof PeerProblem>;

/** What a refused request was answered: `problem` is null where it is no problem document of ours; `detail` may be "". */
export function readProblem(bytes: Uint8Array): { problem: PeerProblem | null; detail: string } {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes.subarray(0, 65_536)));
  } catch {
    return { problem: null, detail: "" }; // the status alone says it
  }
  const problem = PeerProblem.safeParse(body);
  if (problem.success) return { problem: problem.data, detail: problem.data.detail };
  const { detail } = (body ?? {}) as { detail?: unknown };
  return { problem: null, detail: typeof detail === "string" ? detail.slice(0, LONGEST) : "" };
}
