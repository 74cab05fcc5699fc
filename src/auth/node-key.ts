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

/** Who signed, once the signature holds. Throws SinewError unauthorized. */
export async function verifyProof(jws: string, expected: { aud: string; nonce: string }): Promise<Proof> {
  const [{ compactVerify }, { EmbeddedJWK }, { calculateJwkThumbprint }] = await Promise.all([
    import("jose/jws/compact/verify"),
    import("jose/jwk/embedded"),
    import("jose/jwk/thumbprint"),
  ]);
  const refuse = (why: string, cause?: unknown) =>
    new SinewError("unauthorized", `the proof of the node's key: ${why}`, { cause });
  let claims: Record<string, unknown>;
  let thumbprint: string;
  try {
    const { payload, protectedHeader } = await compactVerify(jws, EmbeddedJWK, { algorithms: ["EdDSA"] });
    const jwk = protectedHeader.jwk;
    if (jwk?.kty !== "OKP" || jwk.crv !== "Ed25519") throw new RangeError("another kind of key");
    thumbprint = await calculateJwkThumbprint(jwk);
    claims = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
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
