import { z } from "zod";
import { MAX_MESSAGE_BYTES } from "./message.ts";

/** What a frame is about; on the wire the place in this list, one byte. */
const TYPES = [
  // JSON, before any call (handshake.ts); its call id is 0.
  "handshake",
  // A head, and the whole body when it is small.
  "request",
  "response",
  // A piece of a body, in the direction of who sends it.
  "data",
  "end",
  // The call is over, whoever says so; nothing more is said about it.
  "cancel",
  // u32: so many bytes more may be sent of the body that flows towards who says it.
  "credit",
  // The same bytes as those remembered (link.ts).
  "same-request",
  "same-response",
] as const;
export type FrameType = (typeof TYPES)[number];

/** One message of the WebSocket: type u8, call id u32 (big-endian; the dialler's are odd, the acceptor's even), payload. */
export interface Frame {
  type: FrameType;
  id: number;
  payload: Uint8Array;
}

/** The peer sent what the protocol forbids: the link can't go on. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ProtocolError";
  }
}

export const MAX_ID = 0xffff_ffff;
const HEAD_BYTES = 5;
export const MAX_PAYLOAD = MAX_MESSAGE_BYTES - HEAD_BYTES;

const EMPTY: ReadonlySet<FrameType> = new Set(["end", "cancel", "same-request", "same-response"]);
const NOTHING = new Uint8Array();

export function encodeFrame(type: FrameType, id: number, payload: Uint8Array = NOTHING): Uint8Array {
  if (payload.length > MAX_PAYLOAD)
    throw new RangeError(`a payload has at most ${MAX_PAYLOAD} bytes, got ${payload.length}`);
  const bytes = new Uint8Array(HEAD_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, TYPES.indexOf(type));
  view.setUint32(1, id);
  bytes.set(payload, HEAD_BYTES);
  return bytes;
}

/** The payload is a view of `bytes`. Throws ProtocolError. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const { length } = bytes;
  if (length < HEAD_BYTES) throw new ProtocolError(`a frame has at least ${HEAD_BYTES} bytes, got ${length}`);
  if (length > MAX_MESSAGE_BYTES)
    throw new ProtocolError(`a frame has at most ${MAX_MESSAGE_BYTES} bytes, got ${length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  const type = TYPES[view.getUint8(0)];
  if (type === undefined) {
    throw new ProtocolError(`a frame's type is at most ${TYPES.length - 1}, got ${view.getUint8(0)}`);
  }
  const id = view.getUint32(1);
  if ((type === "handshake") !== (id === 0)) throw new ProtocolError(`call id ${id} in a frame of type ${type}`);
  const expected = type === "credit" ? 4 : EMPTY.has(type) ? 0 : null;
  if (expected !== null && length !== HEAD_BYTES + expected) {
    throw new ProtocolError(`a frame of type ${type} has ${expected} bytes of payload, got ${length - HEAD_BYTES}`);
  }
  return { type, id, payload: bytes.subarray(HEAD_BYTES) };
}

export function encodeCredit(id: number, credit: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, credit);
  return encodeFrame("credit", id, payload);
}

/** The bytes that a frame of type credit grants. */
export const creditOf = ({ payload }: Frame): number =>
  new DataView(payload.buffer, payload.byteOffset, payload.length).getUint32(0);

export const MAX_HEAD = 16 * 1024;
/** What a body may have to travel in the frame of any head. */
export const MAX_BODY_HERE = MAX_PAYLOAD - MAX_HEAD - 2;

/** How the body travels: absent for none, within the same frame, or in frames of type data up to one of type end. */
const Body = z.enum(["here", "follows"]).optional();
const Headers = z.array(z.tuple([z.string(), z.string()]));

export const RequestHead = z.object({
  method: z.string(),
  path: z.string().startsWith("/"),
  headers: Headers,
  body: Body,
});
export type RequestHead = z.infer<typeof RequestHead>;

export const ResponseHead = z.object({
  // 1xx would be an upgrade or an interim answer: neither exists here.
  status: z.int().min(200).max(599),
  headers: Headers,
  body: Body,
});
export type ResponseHead = z.infer<typeof ResponseHead>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** u16 length of the head, the head as JSON, then the body if it is `here`. Null: the head is over its limit. */
export function encodeHead(head: RequestHead | ResponseHead, body: Uint8Array | null): Uint8Array | null {
  const json = encoder.encode(JSON.stringify(head));
  if (json.length > MAX_HEAD) return null;
  const payload = new Uint8Array(2 + json.length + (body?.length ?? 0));
  new DataView(payload.buffer).setUint16(0, json.length);
  payload.set(json, 2);
  if (body) payload.set(body, 2 + json.length);
  return payload;
}

export function decodeHead<T extends RequestHead | ResponseHead>(
  schema: z.ZodType<T>,
  payload: Uint8Array,
): { head: T; body: Uint8Array<ArrayBuffer> } {
  if (payload.length < 2) throw new ProtocolError("a head has at least 2 bytes");
  const length = new DataView(payload.buffer, payload.byteOffset).getUint16(0);
  if (length > MAX_HEAD) throw new ProtocolError(`a head has at most ${MAX_HEAD} bytes, got ${length}`);
  if (length > payload.length - 2)
    throw new ProtocolError(`a head of ${length} bytes, ${payload.length - 2} are there`);
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(payload.subarray(2, 2 + length)));
  } catch {
    throw new ProtocolError("a head is JSON");
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new ProtocolError(`a head as expected, got: ${z.prettifyError(parsed.error)}`);
  // A copy: what is made of it outlives the message.
  const body = new Uint8Array(payload.subarray(2 + length));
  if (body.length > 0 && parsed.data.body !== "here") throw new ProtocolError("a body that the head does not name");
  return { head: parsed.data, body };
}
