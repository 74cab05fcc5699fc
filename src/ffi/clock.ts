import { openLibc } from "./libc.ts";

/** struct timex is 208 bytes on 64-bit Linux; its first word, `modes`, is 0: only read. */
const TIMEX_BYTES = 208;
const TIME_ERROR = 5;

/** Whether the kernel's clock is held to another (adjtimex(2)); null where it does not say. */
export function isClockSynchronized(): boolean | null {
  const libc = openLibc({ adjtimex: { args: ["ptr"], returns: "i32" } });
  const state = libc.adjtimex(Buffer.alloc(TIMEX_BYTES));
  return state < 0 ? null : state !== TIME_ERROR;
}
