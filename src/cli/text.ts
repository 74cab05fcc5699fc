/**
 * Text for one line of a terminal. Names and messages come from firmware, files and peers: none may move the cursor,
 * break the line or turn the reading direction.
 */
export const printable = (text: string) => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?");
