/** The node id of `sinew scan` without a state directory, and of a dump (RFC 9562, 5.9). */
export const NIL_UUID = "00000000-0000-0000-0000-000000000000";

/** A device's identity: from facts any user can read, whatever driver is bound, so that no renumbering changes it. */
export function deviceUuid(nodeId: string, fn: { path: string; vendor_id: string; device_id: string }): string {
  return uuidV5(nodeId, `${fn.path} ${fn.vendor_id}:${fn.device_id}`);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const encoder = new TextEncoder();
/** The namespace of the last call: a scan asks for a thousand ids of one node. */
let last: { namespace: string; bytes: Uint8Array } | null = null;

/** A name-based UUID (RFC 9562, 5.5). Throws RangeError when `namespace` is no UUID. */
export function uuidV5(namespace: string, name: string): string {
  if (last?.namespace !== namespace) last = { namespace, bytes: uuidBytes(namespace) };
  const text = encoder.encode(name);
  const input = new Uint8Array(16 + text.length);
  input.set(last.bytes);
  input.set(text, 16);
  const hash = sha1(input);
  let uuid = "";
  for (let i = 0; i < 16; i++) {
    const byte = hash[i] ?? 0;
    if (i === 4 || i === 6 || i === 8 || i === 10) uuid += "-";
    uuid += HEX[i === 6 ? (byte & 0x0f) | 0x50 : i === 8 ? (byte & 0x3f) | 0x80 : byte];
  }
  return uuid;
}

function uuidBytes(uuid: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid)) {
    throw new RangeError(`a UUID is 8-4-4-4-12 hex digits, got ${JSON.stringify(uuid)}`);
  }
  const digits = uuid.replaceAll("-", "");
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

const words = new Int32Array(80);

/**
 * SHA-1 (RFC 3174), which UUIDv5 is made with; no secret hangs on it. Our own because the web platform's only digest,
 * crypto.subtle's, is asynchronous, and an id is needed in the middle of synchronous decoding. Plain loops without
 * calls: a one-shot scan makes a thousand of them before any compiler has looked at this.
 */
export function sha1(input: Uint8Array): Uint8Array<ArrayBuffer> {
  const padded = new Uint8Array(((input.length + 72) >>> 6) << 6);
  padded.set(input);
  padded[input.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(input.length / 0x2000_0000));
  view.setUint32(padded.length - 4, input.length << 3);

  const w = words;
  let h0 = 0x67452301;
  let h1 = 0xefcdab89 | 0;
  let h2 = 0x98badcfe | 0;
  let h3 = 0x10325476;
  let h4 = 0xc3d2e1f0 | 0;
  for (let block = 0; block < padded.length; block += 64) {
    for (let t = 0; t < 16; t++) w[t] = view.getInt32(block + 4 * t);
    let [a, b, c, d, e] = [h0, h1, h2, h3, h4];
    for (let t = 0; t < 80; t++) {
      if (t >= 16) {
        const word = (w[t - 3] as number) ^ (w[t - 8] as number) ^ (w[t - 14] as number) ^ (w[t - 16] as number);
        w[t] = (word << 1) | (word >>> 31);
      }
      // f(t; B, C, D) + K(t), RFC 3174, section 5.
      let mixed: number;
      if (t < 20) mixed = ((b & c) | (~b & d)) + 0x5a827999;
      else if (t < 40) mixed = (b ^ c ^ d) + 0x6ed9eba1;
      else if (t < 60) mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
      else mixed = (b ^ c ^ d) + 0xca62c1d6;
      const next = (((a << 5) | (a >>> 27)) + mixed + e + (w[t] as number)) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    h0 = (h0 + a) | 0;
    h1 = (h1 + b) | 0;
    h2 = (h2 + c) | 0;
    h3 = (h3 + d) | 0;
    h4 = (h4 + e) | 0;
  }
  const out = new DataView(new ArrayBuffer(20));
  [h0, h1, h2, h3, h4].forEach((value, i) => {
    out.setInt32(4 * i, value);
  });
  return new Uint8Array(out.buffer);
}
