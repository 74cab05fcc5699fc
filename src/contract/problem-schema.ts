import { z } from "zod";
import { PROBLEMS, type Problem as ProblemBody, type ProblemCode } from "./problem.ts";

const codes = Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]];

export type Problem = ProblemBody;
export const Problem: z.ZodType<ProblemBody> = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(codes),
    detail: z.string(),
    request_id: z.string(),
    errors: z
      .array(
        z.object({
          pointer: z.string().meta({ description: "JSON pointer, or the parameter's name" }),
          detail: z.string(),
        }),
      )
      .optional(),
    retry_after: z.int().optional().meta({ description: "Seconds, as in the header Retry-After" }),
    revision: z.int().optional().meta({ description: "too_old: list again, then ask for changes since this revision" }),
  })
  .meta({ id: "Problem" });
