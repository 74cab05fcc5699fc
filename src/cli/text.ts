/**
 * Text for one line of a terminal. Names and messages come from firmware, files and peers: none may move the cursor,
 * break the line or turn the reading direction.
 */
export const printable = (text: string) => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?");

/** The same as one word to `xargs` and to a shell that splits words: a name is to be no option of what it is given to. */
export const oneWord = (text: string) => printable(text).replace(/[\s"'\\]/gu, "?");
