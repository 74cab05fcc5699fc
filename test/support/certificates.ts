import "reflect-metadata";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";
import { makeLeaf, openAuthority } from "../../src/cli/tls/authority.ts";
import type { Tls } from "../../src/serve.ts";

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
        leaf: async (node: string, now = new Date()): Promise<Tls> =>
          (await makeLeaf(made, { node, hosts: [] }, now)).tls,
      };
    },
    close: () => rmSync(home, { recursive: true }),
  };
}

/** A certificate that nobody but its own key has signed. */
export async function selfSigned(node: string): Promise<Tls> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [node] }],
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(0),
    notAfter: new Date("2100-01-01"),
    extensions: [new SubjectAlternativeNameExtension([{ type: "dns", value: node }])],
  });
  const key = PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { cert: certificate.toString("pem"), key };
}
