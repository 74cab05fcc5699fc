import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Exit, reasonOf } from "../exit.ts";

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM file, in its order. Throws Exit 1 for a file without one. */
export async function readCertificates(path: string): Promise<[X509Certificate, ...X509Certificate[]]> {
  const blocks = (await readText(path)).match(BLOCK) ?? [];
  const [first, ...rest] = blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new Exit(
        1,
        `${path}: expected certificates as PEM, and number ${index + 1} of ${blocks.length} is damaged`,
      );
    }
  });
  if (!first) throw new Exit(1, `${path}: expected a certificate as PEM, found none`);
  return [first, ...rest];
}

/** The private key of a PEM file. Throws Exit 1 for a file without one, and for one with a passphrase. */
export async function readKey(path: string): Promise<{ key: KeyObject; pem: string }> {
  const pem = await readText(path);
  if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(pem)) {
    throw new Exit(1, `${path}: expected a private key without a passphrase, found one with it`);
  }
  try {
    return { key: createPrivateKey(pem), pem };
  } catch {
    throw new Exit(1, `${path}: expected a private key as PEM, found something else`);
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new Exit(1, `cannot read ${path}: ${reasonOf(error)}`);
  }
}

/** The certificate's CA among `candidates`. */
export const issuerOf = (certificate: X509Certificate, candidates: readonly X509Certificate[]) =>
  candidates.find((one) => one.ca && certificate.checkIssued(one) && certificate.verify(one.publicKey));

/** SHA-256 of the DER, lower-case hex. */
export const hashOf = (certificate: X509Certificate): string =>
  certificate.fingerprint256.replaceAll(":", "").toLowerCase();

export const pemOf = (certificates: readonly X509Certificate[]): string =>
  certificates.map((one) => `${one.toString().trim()}\n`).join("");

// Not validToDate: Deno has none.
export const expiryOf = (certificate: X509Certificate): Date => new Date(certificate.validTo);
