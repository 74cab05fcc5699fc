const ZEROS = "00000000-0000-0000-0000-000000000000";
/** Fewer characters would mean many. */
const LEAST = 4;

/** The first and the last uuid that begin with this, which is whole or a part of one, in lower case. */
export function uuidsFrom(beginning: string): [first: string, last: string] {
  const rest = ZEROS.slice(beginning.length);
  return [`${beginning}${rest}`, `${beginning}${rest.replaceAll("0", "f")}`];
}

/** Whether a text in lower case is 4 characters or more of a uuid's beginning. */
export const beginsUuid = (text: string): boolean =>
  text.length >= LEAST && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuidsFrom(text)[0]);
