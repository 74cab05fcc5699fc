import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CompactSign, exportJWK, generateKeyPair, SignJWT } from "jose";
import { formatJoinToken, parseJoinToken } from "../../src/auth/join-token.ts";
import { makeNodeKey, readNodeKey, verifyProof } from "../../src/auth/node-key.ts";
import { audienceOf, checkPass, signPass } from "../../src/auth/pass.ts";
import { newSecret, newTokenId, sameDigest, sha256 } from "../../src/auth/token.ts";

const claims = { sub: "n", aud: "link c", nonce: "asked", boot: "b" };
const expected = { aud: claims.aud, nonce: claims.nonce };
const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("a proof of a node's key", () => {
  test("says who signed, and for what", async () => {
    const key = await readNodeKey(await makeNodeKey());
    expect(await verifyProof(await key.sign(claims), expected)).toEqual({ ...claims, thumbprint: key.thumbprint });
  });

  test("is not taken for another question, nor one for a join for a link, nor the other way round", async () => {
    const key = await readNodeKey(await makeNodeKey());
    const jws = await key.sign(claims);
    await expect(verifyProof(jws, { ...expected, nonce: "asked now" })).rejects.toThrow("question");
    for (const aud of ["join c", "link d", "link", "", "link c "])
      await expect(verifyProof(jws, { ...expected, aud })).rejects.toThrow("somebody else");
    const join = await key.sign({ ...claims, aud: "join c" });
    await expect(verifyProof(join, expected)).rejects.toThrow("somebody else");
  });

  test("is refused with any other algorithm or kind of key", async () => {
    const payload = new TextEncoder().encode(JSON.stringify(claims));
    const node = await readNodeKey(await makeNodeKey());
    const [header = ""] = (await node.sign(claims)).split(".");
    const { jwk } = JSON.parse(Buffer.from(header, "base64url").toString());
    const refused = [
      `${base64url({ alg: "none", jwk })}.${base64url(claims)}.`,
      `${base64url({ alg: "EdDSA", jwk })}.${base64url(claims)}.`,
      `${base64url({ alg: "EdDSA" })}.${base64url(claims)}.AAAA`,
      // The public key is no secret: signed with it as if it were one.
      await new CompactSign(payload).setProtectedHeader({ alg: "HS256", jwk }).sign(Buffer.from(jwk.x, "base64url")),
      await new CompactSign(payload).setProtectedHeader({ alg: "HS256", jwk: { kty: "oct" } }).sign(new Uint8Array(32)),
    ];
    for (const alg of ["RS256", "ES256"]) {
      const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
      const own = await exportJWK(publicKey);
      refused.push(await new CompactSign(payload).setProtectedHeader({ alg, jwk: own }).sign(privateKey));
    }
    for (const jws of refused) await expect(verifyProof(jws, expected)).rejects.toThrow("Ed25519");
  });

  test("with another's public key in its header is refused", async () => {
    const [own, others] = [await readNodeKey(await makeNodeKey()), await readNodeKey(await makeNodeKey())];
    const [header = ""] = (await others.sign(claims)).split(".");
    const [, payload, signature] = (await own.sign(claims)).split(".");
    await expect(verifyProof(`${header}.${payload}.${signature}`, expected)).rejects.toThrow("Ed25519");
  });

  test("is refused after any change of its text", async () => {
    const jws = await (await readNodeKey(await makeNodeKey())).sign(claims);
    await fc.assert(
      fc.asyncProperty(fc.nat(jws.length - 2), fc.constantFrom(..."AZaz09-_.= \0"), async (at, character) => {
        const altered = jws.slice(0, at) + character + jws.slice(at + 1);
        fc.pre(altered !== jws);
        const proved = await verifyProof(altered, expected).catch(() => null);
        // The last character of the signature has bits that mean nothing.
        if (proved) expect(at).toBe(jws.length - 2);
      }),
      { numRuns: 150 },
    );
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), async (text) => {
        await expect(verifyProof(text, expected)).rejects.toThrow("the proof of the node's key");
      }),
    );
  });

  test("with claims of other types, or a boot id without end, is refused", async () => {
    const key = await readNodeKey(await makeNodeKey());
    for (const odd of [{ sub: 1 }, { boot: null }, { boot: "x".repeat(129) }, { sub: undefined }, { aud: ["link c"] }])
      await expect(verifyProof(await key.sign({ ...claims, ...odd } as never), expected)).rejects.toThrow();
  });

  test("needs the private key that belongs to the public one; what is no key is told without a word of it", async () => {
    const [one, two] = [JSON.parse(await makeNodeKey()), JSON.parse(await makeNodeKey())];
    const wrong = [
      JSON.stringify({ ...one, x: two.x }),
      JSON.stringify({ ...one, d: undefined }),
      JSON.stringify({ ...one, crv: "X25519" }),
      "",
      "null",
      "[]",
      "{}",
      `${JSON.stringify(one)}x`,
    ];
    for (const text of wrong) {
      const error = await readNodeKey(text).catch((thrown: Error) => thrown);
      expect(String(error)).toContain("expected an Ed25519 private key");
      expect(String(error)).not.toContain(one.d);
    }
  });
});

describe("a pass", () => {
  const OPERATOR = `operator.${newSecret()}`;
  const now = Date.UTC(2026, 0, 1);
  const check = (pass: string, url: string | null = "http://127.0.0.1:1337", at = now) =>
    checkPass(pass, { operatorToken: OPERATOR, url, now: at });

  test("is good for one port or socket, for a minute", async () => {
    const pass = await signPass(OPERATOR, "http://localhost:1337/agent", now);
    expect(await check(pass)).toBe(true);
    for (const elsewhere of ["https://127.0.0.1:1338", "http://[::1]:1337", "http://127.0.0.2:1337"])
      expect(await check(pass, elsewhere)).toBe(false);
    expect(await check(pass, "unix:/1337")).toBe(false);
    expect(await check(pass, null)).toBe(false);
    expect(await check(pass, "http://127.0.0.1:1337", now + 61_000)).toBe(true);
    for (const at of [now + 63_000, now - 63_000, now + 86_400_000])
      expect(await check(pass, "http://127.0.0.1:1337", at)).toBe(false);
    expect(await checkPass(pass, { operatorToken: `operator.${newSecret()}`, url: "http://127.0.0.1:1337", now })).toBe(
      false,
    );
    expect(audienceOf("https://conductor")).toBe("conductor:443");
    expect(audienceOf("unix:/a")).not.toBe(audienceOf("unix:/b"));
  });

  test("lives no longer than a minute, whatever it says, and says what it is for", async () => {
    const key = new TextEncoder().encode(OPERATOR);
    const seconds = now / 1000;
    const sign = (jwt: SignJWT, alg = "HS256") => jwt.setProtectedHeader({ alg }).sign(key);
    const forever = new SignJWT({}).setAudience("127.0.0.1:1337").setExpirationTime(seconds + 1e6);
    expect(await check(await sign(forever.setIssuedAt(seconds)), undefined, now + 120_000)).toBe(false);
    expect(await check(await sign(new SignJWT({}).setIssuedAt(seconds).setExpirationTime(seconds + 60)))).toBe(false);
    expect(await check(await sign(new SignJWT({}).setIssuedAt(seconds).setAudience("127.0.0.1:1337")))).toBe(false);
    expect(await check(await sign(new SignJWT({}).setAudience("127.0.0.1:1337").setExpirationTime(seconds + 60)))).toBe(
      false,
    );
    const good = () =>
      new SignJWT({})
        .setAudience("127.0.0.1:1337")
        .setIssuedAt(seconds)
        .setExpirationTime(seconds + 60);
    expect(await check(await sign(good()))).toBe(true);
    expect(await check(await sign(good(), "HS512"))).toBe(false);
    const [, payload] = (await sign(good())).split(".");
    expect(await check(`${base64url({ alg: "none" })}.${payload}.`)).toBe(false);
  });
});

describe("a join token", () => {
  const credential = () => `${newTokenId()}.${newSecret()}`;

  test("says what it was made of", () => {
    fc.assert(
      fc.property(fc.webUrl(), fc.string({ unit: "binary" }), fc.boolean(), (url, name, pinned) => {
        const made = { url, ca: pinned ? "a".repeat(64) : null, name, credential: credential() };
        // Half a character is none in UTF-8.
        fc.pre(name.isWellFormed());
        expect(parseJoinToken(formatJoinToken(made))).toEqual(made);
      }),
    );
  });

  test("that is damaged is refused, and nothing of it is said again", () => {
    const made = { url: "https://c:1336", ca: "a".repeat(64), name: "c", credential: credential() };
    const text = formatJoinToken(made);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ maxLength: 5 }), (at, put) => {
        const damaged = text.slice(0, at) + put + text.slice(at + 1 + put.length);
        try {
          const parsed = parseJoinToken(damaged);
          expect(parsed.credential).toMatch(/^[0-9a-f]{12}\.[\w-]{43}$/);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          expect(String(error)).not.toContain(text.slice(12, 40));
        }
      }),
    );
    const raw = (fields: unknown) => `sinew-join-${base64url(fields as object)}`;
    const { url, ca, name } = made;
    for (const fields of [
      {},
      [2, url, ca, name, made.credential],
      [1, "file:///etc", ca, name, made.credential],
      [1, url, "A".repeat(64), name, made.credential],
      [1, url, ca, null, made.credential],
      [1, url, ca, name, `${made.credential}x`],
      [1, url, ca, name, "operator.x"],
    ])
      expect(() => parseJoinToken(raw(fields))).toThrow(RangeError);
  });
});

describe("a secret", () => {
  test("is 256 bits, never the same, and compared as a whole", async () => {
    const made = new Set(Array.from({ length: 1_000 }, newSecret));
    expect(made.size).toBe(1_000);
    for (const secret of made) expect(Buffer.from(secret, "base64url")).toHaveLength(32);
    const digest = await sha256("x");
    expect(sameDigest(digest, digest)).toBe(true);
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(sameDigest(digest, text)).toBe(text === digest);
      }),
    );
  });
});
