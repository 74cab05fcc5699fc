/** The node id of `sinew scan` without a state directory, and of a dump (RFC 9562, 5.9). */
export const NIL_UUID = "00000000-0000-0000-0000-000000000000";

/** A device's identity: from facts any user can read, whatever driver is bound, so that no renumbering changes it. */
export function deviceUuid(nodeId: string, fn: { path: string; vendor_id: string; device_id: string }): string {
  return uuidV5(nodeId, `${fn.path} ${fn.vendor_id}:${fn.device_id}`);
}

/** A name-based UUID (RFC 9562, 5.5). Throws RangeError when `namespace` is no UUID. */
export function uuidV5(namespace: string, name: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(namespace)) {
    throw new RangeError(`a UUID is 8-4-4-4-12 hex digits, got ${JSON.stringify(namespace)}`);
  }
  const digits = namespace.replaceAll("-", "");
  const text = new TextEncoder().encode(name);
  const input = new Uint8Array(16 + text.length);
  for (let i = 0; i < 16; i++) input[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  input.set(text, 16);
  const hash = sha1(input).slice(0, 16);
  const view = new DataView(hash.buffer);
  view.setUint8(6, (view.getUint8(6) & 0x0f) | 0x50);
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/**
 * SHA-1 (RFC 3174), which UUIDv5 is made with; no secret hangs on it. Our own because the web platform's only digest,
 * crypto.subtle's, is asynchronous, and an id is needed in the middle of synchronous decoding.
 */
export function sha1(input: Uint8Array): Uint8Array<ArrayBuffer> {
  const padded = new DataView(new ArrayBuffer(((input.length + 72) >>> 6) << 6));
  new Uint8Array(padded.buffer).set(input);
  padded.setUint8(input.length, 0x80);
  padded.setBigUint64(padded.byteLength - 8, BigInt(input.length) * 8n);

  const state = new Int32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]);
  const words = new Int32Array(80);
  const word = (t: number) => words[t] ?? 0;
  for (let block = 0; block < padded.byteLength; block += 64) {
    for (let t = 0; t < 16; t++) words[t] = padded.getInt32(block + 4 * t);
    for (let t = 16; t < 80; t++) words[t] = rotate(word(t - 3) ^ word(t - 8) ^ word(t - 14) ^ word(t - 16), 1);
    let [a = 0, b = 0, c = 0, d = 0, e = 0] = state;
    for (let t = 0; t < 80; t++) {
      const next = (rotate(a, 5) + mix(t, b, c, d) + e + word(t)) | 0;
      [a, b, c, d, e] = [next, a, rotate(b, 30), c, d];
    }
    [a, b, c, d, e].forEach((value, i) => {
      state[i] = (state[i] ?? 0) + value;
    });
  }
  const out = new DataView(new ArrayBuffer(20));
  state.forEach((value, i) => {
    out.setInt32(4 * i, value);
  });
  return new Uint8Array(out.buffer);
}

const rotate = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits));

/** f(t; B, C, D) + K(t), RFC 3174, section 5. */
function mix(t: number, b: number, c: number, d: number): number {
  if (t < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (t < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}
