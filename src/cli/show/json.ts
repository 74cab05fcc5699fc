/** What JSON lets stand as it is and a terminal would obey, or no reader of YAML takes. It stands in strings alone. */
const OBEYED = /[\u007f-\u009f\u2028\u2029\ufeff\p{Cf}]/gu;

/** JSON that may be shown: what it says is the same, and nothing in it moves the cursor or turns the reading direction. */
export const json = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(OBEYED, (one) =>
    [...Array(one.length)].map((_, at) => `\\u${one.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""),
  );
