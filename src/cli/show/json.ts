/** What JSON lets stand as it is and a terminal would obey, or no reader of YAML takes. It stands in strings alone. */
const OBEYED = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff\p{Cf}]/gu;

/** JSON that may be shown: what it says is the same, and nothing in it moves the cursor or turns the reading direction. */
export const json = (value: unknown, indent?: number): string => escaped(JSON.stringify(value, null, indent), halves);

/** A string of JSON that is one of YAML: there an escape is a whole character, and half of one is nothing. */
export const yamlString = (text: string): string =>
  escaped(JSON.stringify(text), (one) => (one.length === 1 ? halves(one) : `\\U${hex(one.codePointAt(0), 8)}`));

const escaped = (text: string, by: (one: string) => string): string => text.replace(OBEYED, by);

const hex = (code: number | undefined, digits: number) => (code ?? 0).toString(16).padStart(digits, "0");

const halves = (one: string): string =>
  [...Array(one.length)].map((_, at) => `\\u${hex(one.charCodeAt(at), 4)}`).join("");
