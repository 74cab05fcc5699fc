import type { Socket } from "./socket.ts";

/** A frame of a link: its head and 64 KiB. Whoever dialled could have us hold any more, before it has proved who it is. */
export const MAX_MESSAGE_BYTES = 5 + 64 * 1024;

/** Closing codes of RFC 6455, 7.4.1. */
const BINARY_ONLY = 1003;
const TOO_BIG = 1009;

/** Hands a message to its owner; text and what is too long end the connection. */
export function receive(socket: Socket, data: unknown): void {
  const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
  if (!(bytes instanceof Uint8Array)) socket.close(BINARY_ONLY, "expected a binary message, got text");
  else if (bytes.length > MAX_MESSAGE_BYTES) {
    socket.close(TOO_BIG, `expected a message of at most ${MAX_MESSAGE_BYTES} bytes, got ${bytes.length}`);
  } else socket.onMessage(bytes);
}

/** What the protocol has room for (RFC 6455, 5.5: 125 bytes, two of them the code). */
export const closingReason = (reason: string): string =>
  new TextDecoder().decode(new TextEncoder().encode(reason).slice(0, 120)).replace(/\uFFFD$/, "");
