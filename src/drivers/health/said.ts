import type { Condition } from "../../contract/condition.ts";

/** A condition as one reading gives it; since when it is so takes a memory. */
export type Said = Omit<Condition, "since">;
