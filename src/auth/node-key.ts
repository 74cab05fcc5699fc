import { SinewError } from "../contract/problem.ts";

/** What a node is known by: an Ed25519 key made at its first start, which never leaves it. */
export interface NodeKey {
  /** RFC 7638 thumbprint of the public key: what others store and show. */
  readonly thumbprint: string;
  /** A signed statement (JWS, EdDSA) with the public key in its header. */
  sign(claims: ProofClaims): Promise<string>;
}

export interface ProofClaims {
  /** The node's id. */
  sub: string;
  /** What it is meant for: `link` and the conductor's id, or `join` and the token's. One is never taken for the other. */
  aud: string;
  /** What the other side asked to be signed, so that nothing recorded is of any use again. */
  nonce: string;
  /** Tells one run of the node from the next. */
  boot: string;
}

export interface Proof extends ProofClaims {
  thumbprint: string;
}

/** A new private key, as JSON text to keep. */
export async function makeNodeKey(): Promise<string> {
  // Not by jose: every first start makes one, and only a node that joins ever signs with it.
  const pair = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
  const { kty, crv, x, d } = await crypto.subtle.exportKey("jwk", pair.privateKey);
  return `${JSON.stringify({ kty, crv, x, d })}\n`;
}

/** Reads what `makeNodeKey` made. Throws RangeError, without a word of the text: it is a secret. */
export async function readNodeKey(text: string): Promise<NodeKey> {
  const [{ importJWK }, { calculateJwkThumbprint }, { CompactSign }] = await Promise.all([
    import("jose/key/import"),
    import("jose/jwk/thumbprint"),
    import("jose/jws/compact/sign"),
  ]);
  try {
    const { kty, crv, x, d } = JSON.parse(text);
    if (kty !== "OKP" || crv !== "Ed25519" || typeof d !== "string") throw new RangeError("of another kind");
    const own = await importJWK({ kty, crv, x, d }, "EdDSA");
    const jwk = { kty, crv, x };
    const key: NodeKey = {
      thumbprint: await calculateJwkThumbprint(jwk),
      sign: (claims) =>
        new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
          .setProtectedHeader({ alg: "EdDSA", jwk })
          .sign(own),
    };
    // A public key that does not belong to the private one would be refused by everybody, much later.
    await verifyProof(await key.sign({ sub: "", aud: "", nonce: "", boot: "" }), { aud: "", nonce: "" });
    return key;
  } catch {
    throw new RangeError("expected an Ed25519 private key as a JSON Web Key, found something else");
  }
}

const Part = /^[\w-]+$/;
/** 32 bytes. */
const PublicKey = /^[\w-]{43}$/;

/**
 * Who signed, once the signature holds. Throws SinewError unauthorized. By node:crypto: all agents of a fleet may come back
 * within seconds, and Web Crypto would take twice as long for each.
 */
export async function verifyProof(jws: string, expected: { aud: string; nonce: string }): Promise<Proof> {
  const { createHash, createPublicKey, verify } = await import("node:crypto");
  const refuse = (why: string, cause?: unknown) =>
    new SinewError("unauthorized", `the proof of the node's key: ${why}`, { cause });
  let claims: Record<string, unknown>;
  let thumbprint: string;
  try {
    const [header = "", payload = "", signature = "", ...more] = jws.split(".");
    // Decoding passes over what is no base64url.
    if (![header, payload, signature].every((part) => Part.test(part)) || more.length > 0)
      throw new RangeError("not three parts of base64url");
    const { alg, crit, b64, jwk } = parse(header);
    // RFC 7515, 4.1.11: what must be understood is not.
    if (alg !== "EdDSA" || crit !== undefined || b64 !== undefined || typeof jwk !== "object" || jwk === null)
      throw new RangeError("another kind of signature");
    const { kty, crv, x } = jwk as Record<string, unknown>;
    if (kty !== "OKP" || crv !== "Ed25519" || typeof x !== "string" || !PublicKey.test(x))
      throw new RangeError("another kind of key");
    const key = createPublicKey({ key: { kty, crv, x }, format: "jwk" });
    const signed = new TextEncoder().encode(`${header}.${payload}`);
    const bytes = Uint8Array.fromBase64(signature, { alphabet: "base64url" });
    if (!verify(null, signed, key, bytes)) throw new RangeError("the signature is wrong");
    // RFC 7638, 3.2 and RFC 8037, 2: the members that are required, in this order.
    thumbprint = createHash("sha256").update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest("base64url");
    claims = parse(payload);
  } catch (error) {
    throw refuse("expected a statement signed with an Ed25519 key, got something else", error);
  }
  const { sub, aud, nonce, boot } = claims;
  if (typeof sub !== "string" || typeof boot !== "string" || boot.length > 128)
    throw refuse("expected sub and boot in it");
  if (aud !== expected.aud) throw refuse("it is meant for somebody else");
  if (nonce !== expected.nonce) throw refuse("it does not answer the question that was asked");
  return { sub, aud: expected.aud, nonce: expected.nonce, boot, thumbprint };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The JSON object that a part of a JWS holds. */
function parse(part: string): Record<string, unknown> {
  const value: unknown = JSON.parse(utf8.decode(Uint8Array.fromBase64(part, { alphabet: "base64url" })));
  if (typeof value !== "object" || value === null) throw new RangeError("no object");
  return value as Record<string, unknown>; // its members are looked at one by one
}
