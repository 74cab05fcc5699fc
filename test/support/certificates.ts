import "reflect-metadata";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { makeLeaf, openAuthority } from "../../src/cli/tls/authority.ts";
import type { Tls } from "../../src/serve.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const validity = { notBefore: new Date(0), notAfter: new Date("2100-01-01") };

/** CAs of their own, and leaves that they sign; as the product makes them. */
export function certificates() {
  const home = mkdtempSync(join(tmpdir(), "sinew-certificates-"));
  return {
    home,
    async authority(name: string) {
      const state = join(home, name);
      mkdirSync(state);
      const made = await openAuthority(state, name);
      return {
        ca: made.cert,
        /** The file that holds the CA. */
        path: join(state, "tls", "ca.crt"),
        /** What a client shows. */
        clientLeaf: (name: string) => signedClient(made, name),
        leaf: async (node: string, now = new Date()): Promise<Tls> =>
          (await makeLeaf(made, { node, hosts: [] }, now)).tls,
      };
    },
    close: () => rmSync(home, { recursive: true }),
  };
}

/** A certificate that nobody but its own key has signed. */
export async function selfSigned(node: string): Promise<Tls> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [node] }],
    keys,
    signingAlgorithm: algorithm,
    ...validity,
    extensions: [new SubjectAlternativeNameExtension([{ type: "dns", value: node }])],
  });
  return { cert: certificate.toString("pem"), key: await pkcs8(keys.privateKey) };
}

async function signedClient(authority: { cert: string; key: string }, name: string): Promise<Tls> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const der = PemConverter.decodeFirst(authority.key);
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: [name] }],
    issuer: new X509Certificate(authority.cert).subjectName,
    publicKey: keys.publicKey,
    signingKey: await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]),
    signingAlgorithm: algorithm,
    ...validity,
    extensions: [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])],
  });
  return { cert: certificate.toString("pem"), key: await pkcs8(keys.privateKey) };
}

const pkcs8 = async (key: CryptoKey) => PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
