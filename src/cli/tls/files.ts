import type { X509Certificate } from "node:crypto";
import { stat } from "node:fs/promises";
import { Exit } from "../exit.ts";
import { expiryOf, hashOf, issuerOf, pemOf, readCertificates, readKey } from "./certificate.ts";
import type { Material } from "./material.ts";

/** Paths of PEM files. `cert` is the leaf and what lies between it and its CA; `ca` is what others pin. */
export interface TlsFiles {
  cert: string;
  key: string;
  ca: string | null;
}

/** Reads and checks certificate files. Throws Exit 1 with what was expected and what was found. */
export async function readFiles({ cert, key, ca }: TlsFiles, now: Date): Promise<Material> {
  const [leaf, ...between] = await readCertificates(cert);
  const read = await readKey(key);
  if (!leaf.checkPrivateKey(read.key)) throw new Exit(1, `${key}: expected the key of ${cert}, found another`);
  const expires = expiryOf(leaf);
  if (expires <= now) {
    throw new Exit(
      1,
      `${cert}: expected a certificate that is valid, found one that ended at ${expires.toISOString()}`,
    );
  }
  if (ca === null) return { tls: { cert: pemOf([leaf, ...between]), key: read.pem }, ca: null, caHash: null, expires };
  const root = rootOf(leaf, between, await readCertificates(ca));
  if (!root) {
    throw new Exit(
      1,
      `${ca}: expected the root CA that signed ${cert} (by ${leaf.issuer.replaceAll("\n", ", ")}), found another`,
    );
  }
  // Who knows no more than the root's hash can fetch it.
  const shown = [leaf, ...between.filter((one) => hashOf(one) !== hashOf(root)), root];
  return { tls: { cert: pemOf(shown), key: read.pem }, ca: pemOf([root]), caHash: hashOf(root), expires };
}

/** The root among `authorities` that the chain leads to; null where it leads to none. */
function rootOf(leaf: X509Certificate, between: X509Certificate[], authorities: X509Certificate[]) {
  let one = leaf;
  for (let length = 0; length <= between.length + authorities.length; length += 1) {
    const issuer = issuerOf(one, authorities) ?? issuerOf(one, between);
    if (!issuer) return null;
    if (issuerOf(issuer, [issuer]))
      return authorities.some((known) => hashOf(known) === hashOf(issuer)) ? issuer : null;
    one = issuer;
  }
  return null;
}

/** Changes whenever one of the files does. */
export async function stampOf(paths: readonly (string | null)[]): Promise<string> {
  const stamps = paths.map(async (path) => {
    if (path === null) return "";
    // A file that is gone for a moment, or for good, is told of when it is read.
    const found = await stat(path).catch(() => null);
    return found ? `${found.ino}:${found.size}:${found.mtimeMs}` : "none";
  });
  return (await Promise.all(stamps)).join(" ");
}

/** A client's certificate and its key, checked to belong together. Throws Exit 1. */
export async function readPair({ cert, key }: { cert: string; key: string }): Promise<{ cert: string; key: string }> {
  const certificates = await readCertificates(cert);
  const read = await readKey(key);
  if (!certificates[0].checkPrivateKey(read.key))
    throw new Exit(1, `${key}: expected the key of ${cert}, found another`);
  return { cert: pemOf(certificates), key: read.pem };
}
