import { afterAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Exit } from "../../../src/cli/exit.ts";
import { isDue, makeLeaf, openAuthority } from "../../../src/cli/tls/authority.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-authority-"));
afterAll(() => rmSync(home, { recursive: true }));

let count = 0;
function newState(): string {
  count += 1;
  const state = join(home, `state-${count}`);
  mkdirSync(state);
  return state;
}
const NODE = "3f0e9b52-7be1-4f0e-8a5f-3f1f0c6b7a11";
const NOW = new Date("2026-11-23T00:00:00Z");
const openssl = Bun.which("openssl");

/** What openssl says of a certificate that is to be verified against a CA. */
function verify(ca: string, leaf: string, ...options: string[]): string {
  const [caFile, leafFile] = [join(home, "verify-ca.pem"), join(home, "verify-leaf.pem")];
  writeFileSync(caFile, ca);
  writeFileSync(leafFile, leaf);
  const args = ["verify", "-x509_strict", "-purpose", "sslserver", ...options, "-CAfile", caFile, leafFile];
  const { stdout, stderr } = Bun.spawnSync([openssl ?? "", ...args]);
  return `${stdout}${stderr}`.trim();
}

function replaceByFolder(path: string): void {
  rmSync(path);
  mkdirSync(path);
}

describe("openAuthority()", () => {
  test("makes a CA for its owner alone, once", async () => {
    const state = newState();
    const made = await openAuthority(state, NODE);
    expect(await openAuthority(state, "another name")).toEqual(made);
    expect(statSync(join(state, "tls")).mode & 0o777).toBe(0o700);
    for (const file of ["ca.key", "ca.crt"]) expect(statSync(join(state, "tls", file)).mode & 0o777).toBe(0o600);
    const ca = new X509Certificate(made.cert);
    expect(ca.ca).toBe(true);
    expect(new Date(ca.validFrom)).toEqual(new Date(0));
    expect(new Date(ca.validTo).getUTCFullYear()).toBe(2100);
  });

  test("agrees with a process that starts at the same moment", async () => {
    const state = newState();
    const program = `
      import { openAuthority } from ${JSON.stringify(join(import.meta.dir, "../../../src/cli/tls/authority.ts"))};
      console.log((await openAuthority(${JSON.stringify(state)}, "${NODE}")).cert);`;
    const children = [1, 2, 3].map(() => Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" }));
    const made = await Promise.all(children.map(({ stdout }) => new Response(stdout).text()));
    expect(made[0]).toStartWith("-----BEGIN CERTIFICATE-----");
    expect(new Set(made).size).toBe(1);
    expect(readdirSync(state)).toEqual(["tls"]);
  });

  test("says what is wrong with its files in one line, and leaves them as they are", async () => {
    const other = newState();
    await openAuthority(other, NODE);
    const cases: [found: string, (crt: string, key: string) => void][] = [
      ["expected .*ca.key beside .*ca.crt, found none", (_, key) => rmSync(key)],
      ["expected .*ca.crt beside .*ca.key, found none", (crt) => rmSync(crt)],
      ["ca.crt: expected a certificate as PEM, found none", (crt) => writeFileSync(crt, "")],
      ["ca.key: expected a private key as PEM, found something else", (_, key) => writeFileSync(key, "")],
      ["ca.key: expected the key of", (_, key) => writeFileSync(key, readFileSync(join(other, "tls", "ca.key")))],
      [
        "ca.key: expected a file that only its owner can read \\(0600\\), found 0644",
        (_, key) => chmodSync(key, 0o644),
      ],
      ["cannot read .*ca.crt: it is a directory", replaceByFolder],
    ];
    for (const [message, damage] of cases) {
      const state = newState();
      await openAuthority(state, NODE);
      const [crt, key] = [join(state, "tls", "ca.crt"), join(state, "tls", "ca.key")];
      damage(crt, key);
      const before = readdirSync(join(state, "tls"));
      const error: unknown = await openAuthority(state, NODE).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Exit);
      expect(String(error)).toMatch(new RegExp(`^.*${message}.*$`));
      expect(readdirSync(join(state, "tls"))).toEqual(before);
    }
  });

  test("refuses a folder that holds something else, and a leaf in the place of the CA", async () => {
    const state = newState();
    mkdirSync(join(state, "tls"));
    writeFileSync(join(state, "tls", "mine.txt"), "mine");
    await expect(openAuthority(state, NODE)).rejects.toThrow("found other files");
    expect(readdirSync(join(state, "tls"))).toEqual(["mine.txt"]);

    const foreign = newState();
    const leaf = await makeLeaf(await openAuthority(foreign, NODE), { node: NODE, hosts: [] }, NOW);
    writeFileSync(join(foreign, "tls", "ca.crt"), leaf.tls.cert);
    await expect(openAuthority(foreign, NODE)).rejects.toThrow("expected a CA's own certificate");
  });
});

describe("makeLeaf()", () => {
  test("names the node, this machine and what it was asked for, and shows its CA", async () => {
    const authority = await openAuthority(newState(), NODE);
    const hosts = ["edge-1.example", "192.0.2.7", "2001:db8::7", "0.0.0.0", "not a host\n", "localhost"];
    const { tls, ca, caHash, expires } = await makeLeaf(authority, { node: NODE, hosts }, NOW);
    const leaf = new X509Certificate(tls.cert);
    expect(leaf.subjectAltName).toBe(
      `DNS:${NODE}, DNS:localhost, DNS:edge-1.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, ` +
        "IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7",
    );
    expect(expires).toEqual(new Date("2027-02-21T00:00:00Z"));
    expect(new Date(leaf.validFrom)).toEqual(new Date(0));
    expect(tls.cert).toEndWith(authority.cert);
    expect(ca).toBe(authority.cert);
    expect(caHash).toBe(new Bun.CryptoHasher("sha256").update(new X509Certificate(authority.cert).raw).digest("hex"));
  });

  test.skipIf(!openssl)("makes what openssl accepts in its strict mode, in 1970 too, for its names alone", async () => {
    const authority = await openAuthority(newState(), NODE);
    const stranger = await openAuthority(newState(), NODE);
    const leaf = (await makeLeaf(authority, { node: NODE, hosts: ["192.0.2.7"] }, NOW)).tls.cert;
    expect(verify(authority.cert, leaf, "-verify_hostname", NODE)).toEndWith("OK");
    expect(verify(authority.cert, leaf, "-verify_ip", "192.0.2.7", "-attime", "60")).toEndWith("OK");
    expect(verify(authority.cert, leaf, "-verify_hostname", "other.example")).toContain("hostname mismatch");
    expect(verify(authority.cert, leaf, "-attime", String(Date.UTC(2027, 5) / 1000))).toContain("has expired");
    expect(verify(stranger.cert, leaf)).not.toContain("OK");
    // A leaf signs nothing: who has its key is no CA.
    expect(verify(authority.cert, leaf, "-purpose", "sslclient")).toMatch(/unsuitable|unsupported/);
  });

  test("is due when a third of its 90 days is left", () => {
    const expires = new Date("2027-02-21T00:00:00Z");
    expect(isDue(expires, new Date("2027-01-21T23:59:00Z"))).toBe(false);
    expect(isDue(expires, new Date("2027-01-22T00:00:00Z"))).toBe(true);
    expect(isDue(expires, new Date("2030-01-01T00:00:00Z"))).toBe(true);
  });
});
