import { z } from "zod";
import { text } from "../text.ts";

const MOST = 64;

/** A record would be read without it: what is asked for by such a label would be everything. */
const OWN = "__proto__";

/** Words by which nodes are told apart, and chosen. */
export const Labels = z.preprocess(
  (value, context) => {
    if (typeof value === "object" && value !== null && Object.hasOwn(value, OWN))
      context.addIssue({ code: "custom", path: [OWN], message: `no label is called ${OWN}` });
    return value;
  },
  z
    .record(text(63), z.string().max(255))
    .refine((labels) => Object.keys(labels).length <= MOST, `expected at most ${MOST} labels`)
    .meta({ maxProperties: MOST }),
);
