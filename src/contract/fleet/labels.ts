import { z } from "zod";
import { text } from "../text.ts";

export const MOST_LABELS = 64;

/** A record would be read without it: what is asked for by such a label would be everything. */
const OWN = "__proto__";

/** What is read as a record, but for one that has what no record holds. */
export const withoutOwn = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value, context) => {
    if (typeof value === "object" && value !== null && Object.hasOwn(value, OWN))
      context.addIssue({ code: "custom", path: [OWN], message: `no label is called ${OWN}` });
    return value;
  }, schema);

export const labelName = text(63);

/** Whether a label's name, as an operator gives it, can be typed and read: what nodes say themselves is left as it is. */
export const isPlainName = (name: string): boolean => !/[\s\p{Cc}\p{Cf}]/u.test(name);
export const PLAIN_NAME = "expected a label's name without white space and control characters";

/** Words by which nodes are told apart, and chosen. */
export const Labels = withoutOwn(
  z
    .record(labelName, z.string().max(255))
    .refine((labels) => Object.keys(labels).length <= MOST_LABELS, `expected at most ${MOST_LABELS} labels`)
    .meta({ maxProperties: MOST_LABELS }),
);

/** A label that is asked for: `rack=7`, or `rack` with any value. */
export const WantedLabel = z
  .string()
  .regex(/^[^=]{1,63}(=.{0,255})?$/su, "expected NAME=VALUE, or NAME for any value")
  // In the JSON of a node's labels such a name could not be told from the end of a text and what comes after it.
  .refine((text) => !/^[,:}]/.test(text), "a label whose name begins with , : or } cannot be asked for")
  .transform((text): { name: string; value: string | null } => {
    const at = text.indexOf("=");
    return at < 0 ? { name: text, value: null } : { name: text.slice(0, at), value: text.slice(at + 1) };
  });
export type WantedLabel = z.output<typeof WantedLabel>;
