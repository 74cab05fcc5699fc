import { z } from "zod";

/** Text that every database can hold: no U+0000 (PostgreSQL), no half characters (UTF-8). For what becomes a column. */
export const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine(
      (value) => !value.includes("\0") && value.isWellFormed(),
      "expected text without U+0000 and half characters",
    );
