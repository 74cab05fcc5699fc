import { X509Certificate } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { codeOf, Exit, reasonOf } from "../exit.ts";
import { inState } from "../host/node-id.ts";
import { expiryOf, hashOf, issuerOf, pemOf, readCertificates, readKey } from "./certificate.ts";
import { type Made, make } from "./maker.ts";
import type { Material } from "./material.ts";

const LEAF_DAYS = 90;
const DAY_MS = 86_400_000;
/** It is pinned by every agent that joined: it outlives the machine. */
const AUTHORITY_ENDS = "2100-01-01T00:00:00Z";

/** The CA in `<state>/tls`, made at first start. Throws Exit 1 for files that are no CA and its key: none is overwritten. */
export async function openAuthority(state: string, node: string): Promise<Made> {
  return (await readAuthority(state)) ?? (await makeAuthority(state, node));
}

async function readAuthority(state: string): Promise<Made | null> {
  const [crt, key] = [join(state, "tls", "ca.crt"), join(state, "tls", "ca.key")];
  const [hasCrt, hasKey] = [await modeOf(crt), await modeOf(key)];
  if (hasCrt === null && hasKey === null) return null;
  if (hasCrt === null || hasKey === null) {
    const [found, missing] = hasCrt === null ? [key, crt] : [crt, key];
    throw new Exit(1, `expected ${missing} beside ${found}, found none: put it back, or move both away for a new CA`);
  }
  if (hasKey & 0o077) {
    const mode = (hasKey & 0o7777).toString(8).padStart(4, "0");
    throw new Exit(1, `${key}: expected a file that only its owner can read (0600), found ${mode}`);
  }
  const [certificate] = await readCertificates(crt);
  const read = await readKey(key);
  if (!issuerOf(certificate, [certificate]))
    throw new Exit(1, `${crt}: expected a CA's own certificate, found another`);
  if (!certificate.checkPrivateKey(read.key)) throw new Exit(1, `${key}: expected the key of ${crt}, found another`);
  return { cert: pemOf([certificate]), key: read.pem };
}

async function modeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).mode;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw new Exit(1, `cannot read ${path}: ${reasonOf(error)}`);
  }
}

async function makeAuthority(state: string, node: string): Promise<Made> {
  const made = await make({ make: "authority", name: `Sinew CA of ${node}`, notAfter: AUTHORITY_ENDS });
  const folder = join(state, "tls");
  const beside = `${folder}.${crypto.randomUUID()}.tmp`;
  await inState(state, async () => {
    await mkdir(beside, { mode: 0o700 });
    try {
      await write(join(beside, "ca.key"), made.key);
      await write(join(beside, "ca.crt"), made.cert);
      // rename(2) replaces no folder that has something in it: both files appear at once, and of two processes that start
      // together one wins.
      await rename(beside, folder);
    } catch (error) {
      await rm(beside, { recursive: true, force: true });
      if (codeOf(error) !== "ENOTEMPTY" && codeOf(error) !== "EEXIST") throw error;
    }
  });
  const settled = await readAuthority(state);
  if (settled) return settled;
  throw new Exit(1, `expected ca.crt and ca.key in ${folder}, found other files: move them away for a new CA`);
}

async function write(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

export interface Names {
  /** The node id: the name that a pinned client asks for. */
  node: string;
  /** Host names and addresses by which people reach this; what is neither is left out. */
  hosts: readonly string[];
}

/** A certificate signed by `authority`, for 90 days from `now`. Its key is never on a disk. */
export async function makeLeaf(authority: Made, { node, hosts }: Names, now: Date): Promise<Material> {
  const all = [...new Set([node, "localhost", "127.0.0.1", "::1", ...hosts])];
  const leaf = await make({
    make: "leaf",
    issuer: authority,
    names: all.filter((host) => isIP(host) === 0 && HOST.test(host)),
    addresses: all.filter((host) => isIP(host) !== 0 && !WILDCARDS.includes(host)),
    notAfter: new Date(now.getTime() + LEAF_DAYS * DAY_MS).toISOString(),
  });
  return {
    // With the CA, so that who knows no more than its hash can fetch it.
    tls: { cert: leaf.cert + authority.cert, key: leaf.key },
    ca: authority.cert,
    caHash: hashOf(new X509Certificate(authority.cert)),
    expires: expiryOf(new X509Certificate(leaf.cert)),
  };
}

/** Whether a third of the life of a leaf of ours, or less, is left; also true after a clock has jumped far ahead. */
export const isDue = (expires: Date, now: Date) => expires.getTime() - now.getTime() <= (LEAF_DAYS / 3) * DAY_MS;

const HOST = /^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?$/i;
const WILDCARDS = ["0.0.0.0", "::"];
