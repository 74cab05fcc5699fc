// A program: one JSON request on stdin, one JSON answer on stdout. It runs as a process of its own (maker.ts), because
// the library that makes certificates would stay in a service's memory for months, for a minute's work.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import type { Asked, Made } from "./maker.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A machine whose clock is not set says 1970, and has to accept a certificate nevertheless. */
const notBefore = new Date(0);

async function authority(name: string, notAfter: Date): Promise<Made> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore,
    notAfter,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pem(certificate), key: await privateKey(keys.privateKey) };
}

async function leaf({ issuer, names, addresses, notAfter }: Extract<Asked, { make: "leaf" }>): Promise<Made> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const ca = new x509.X509Certificate(issuer.cert);
  const der = x509.PemConverter.decodeFirst(issuer.key);
  const signingKey = await crypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [names[0] ?? "sinew"] }],
    issuer: ca.subjectName,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: ALGORITHM,
    notBefore,
    notAfter: new Date(notAfter),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...names.map((value) => ({ type: "dns" as const, value })),
        ...addresses.map((value) => ({ type: "ip" as const, value })),
      ]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  return { cert: pem(certificate), key: await privateKey(keys.privateKey) };
}

const pem = (certificate: x509.X509Certificate) => `${certificate.toString("pem").trim()}\n`;

async function privateKey(key: CryptoKey): Promise<string> {
  const der = await crypto.subtle.exportKey("pkcs8", key);
  return `${x509.PemConverter.encode(der, "PRIVATE KEY").trim()}\n`;
}

let text = "";
for await (const chunk of process.stdin) text += chunk;
const asked: Asked = JSON.parse(text);
const made = asked.make === "leaf" ? await leaf(asked) : await authority(asked.name, new Date(asked.notAfter));
process.stdout.write(JSON.stringify(made));
