/** What went wrong, as whoever threw it says: without Bun's advice to programmers, which is none for operators. */
export const failureOf = (error: unknown): string =>
  String(error instanceof Error ? error.message : error).replace(
    /\.? For more information, pass `verbose: true`.*$/s,
    "",
  );
