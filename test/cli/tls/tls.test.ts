import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { Exit } from "../../../src/cli/exit.ts";
import { makeLeaf, openAuthority } from "../../../src/cli/tls/authority.ts";
import { type OpenTls, openTls, type TlsOptions } from "../../../src/cli/tls/tls.ts";
import { listen, type Tls } from "../../../src/serve.ts";
import { until } from "../../support/process.ts";
import { virtualWorld } from "../../support/world.ts";

const home = mkdtempSync(join(tmpdir(), "sinew-tls-"));
const open: { close(): void }[] = [];
afterAll(() => {
  for (const one of open) one.close();
  rmSync(home, { recursive: true });
});
const NODE = "3f0e9b52-7be1-4f0e-8a5f-3f1f0c6b7a11";
const DAY = 86_400_000;

let count = 0;
function newFolder(): string {
  count += 1;
  const folder = join(home, String(count));
  mkdirSync(folder);
  return folder;
}

/** Certificate files of an operator's own, signed by a CA of their own. */
async function operatorFiles() {
  const folder = newFolder();
  const authority = await openAuthority(folder, "operator");
  const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem"), ca: join(folder, "ca.pem") };
  const write = async (now: Date) => {
    const { tls } = await makeLeaf(authority, { node: "conductor.example", hosts: [] }, now);
    writeFileSync(files.cert, tls.cert.slice(0, -authority.cert.length));
    writeFileSync(files.key, tls.key);
    return tls;
  };
  writeFileSync(files.ca, authority.cert);
  return { files, write, authority };
}

async function opened(options: Partial<TlsOptions>, world = virtualWorld()) {
  const logged: string[] = [];
  const log: TlsOptions["world"]["log"] = (level, message, fields) =>
    logged.push(`${level} ${message} ${fields?.error ?? ""}`.trim());
  // Real peers have the real clock: what is made for this one is valid for them.
  const now = () => new Date(world.world.now().getTime() + 3650 * DAY);
  const names = { node: NODE, hosts: [] };
  const tls = await openTls({
    state: newFolder(),
    names,
    files: null,
    clientCa: null,
    ...options,
    world: { ...world.world, now, log },
  });
  open.push(tls);
  return { tls, world, logged };
}

/** Lets minutes pass until it is so: a check reads files, which takes its own time. */
const inMinutes = (world: ReturnType<typeof virtualWorld>, condition: () => boolean) =>
  until(async () => {
    await world.advance(60_000);
    return condition();
  });

/** A listener's half that remembers what it is given. */
function renewals(tls: OpenTls) {
  const all: Tls[] = [];
  tls.onRenew({
    async renew(next) {
      all.push(next);
    },
  });
  return all;
}

/** The SHA-256 fingerprint of the certificate that a server shows. */
const shownAt = (url: string) =>
  new Promise<string>((done, fail) => {
    const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port), rejectUnauthorized: false }, () => {
      done(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.once("error", fail);
  });

describe("openTls() with a CA of its own", () => {
  test("renews the leaf at two thirds of its life, by the same CA", async () => {
    const { tls, world } = await opened({});
    const renewed = renewals(tls);
    // Not advanced: that would be a look at each minute.
    world.suspend(59 * DAY);
    await world.advance(DAY / 24);
    expect(renewed).toEqual([]);
    world.suspend(DAY);
    await inMinutes(world, () => renewed.length === 1);
    expect(renewed[0]?.cert).not.toBe(tls.tls.cert);
    expect(renewed[0]?.cert).toEndWith(tls.ca ?? "no CA");
    tls.close();
  });

  test("renews nothing after it is closed", async () => {
    const { tls, world } = await opened({});
    const renewed = renewals(tls);
    tls.close();
    world.suspend(100 * DAY);
    await world.advance(DAY / 24);
    expect(renewed).toEqual([]);
  });

  test("shows the renewed leaf to new connections of a real listener", async () => {
    const { tls, world, logged } = await opened({});
    const listener = await listen({ host: "127.0.0.1", port: 0 }, () => new Response("ok"), { tls: tls.tls });
    tls.onRenew(listener);
    const before = await shownAt(listener.url);
    world.suspend(60 * DAY);
    await inMinutes(world, () => logged.includes("info the certificate is renewed"));
    expect(await shownAt(listener.url)).not.toBe(before);
    const pinned = { tls: { ca: tls.ca ?? "", serverName: NODE, rejectUnauthorized: true } };
    expect(await (await fetch(listener.url, pinned)).text()).toBe("ok");
    tls.close();
    await listener.stop({ graceMs: 1000 });
  });
});

describe("openTls() with certificate files", () => {
  const future = () => new Date(Date.now() + 7300 * DAY);

  test("shows the chain with its CA, whose hash is what is pinned", async () => {
    const { files, write, authority } = await operatorFiles();
    const made = await write(future());
    const { tls } = await opened({ files });
    expect(tls.tls).toEqual({ cert: made.cert, key: made.key });
    expect(tls.ca).toBe(authority.cert);
    expect(tls.caHash).toMatch(/^[0-9a-f]{64}$/);
    const unpinned = await opened({ files: { ...files, ca: null } });
    expect(unpinned.tls).toMatchObject({ ca: null, caHash: null });
  });

  test("says what was expected and what was found", async () => {
    const { files, write } = await operatorFiles();
    await write(future());
    const other = await operatorFiles();
    await other.write(future());
    const damaged = join(newFolder(), "damaged.pem");
    writeFileSync(damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const locked = join(newFolder(), "locked.pem");
    writeFileSync(locked, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    const cases: [Partial<typeof files>, string][] = [
      [{ cert: join(home, "none.pem") }, "cannot read .*none.pem: it does not exist"],
      [{ cert: files.key }, "key.pem: expected a certificate as PEM, found none"],
      [{ cert: damaged }, "damaged.pem: expected certificates as PEM, and number 1 of 1 is damaged"],
      [{ key: files.cert }, "cert.pem: expected a private key as PEM, found something else"],
      [{ key: locked }, "locked.pem: expected a private key without a passphrase"],
      [{ key: other.files.key }, "key.pem: expected the key of .*cert.pem, found another"],
      [
        { ca: other.files.ca },
        "ca.pem: expected the root CA that signed .*cert.pem \\(by CN=Sinew CA of operator\\), found another",
      ],
    ];
    for (const [wrong, message] of cases) {
      const error: unknown = await opened({ files: { ...files, ...wrong } }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Exit);
      expect(String(error)).toMatch(new RegExp(`^.*${message}.*$`));
    }
    await write(new Date("2020-01-01"));
    await expect(opened({ files })).rejects.toThrow("found one that ended at 2020-03-31T00:00:00.000Z");
  });

  test("takes changed files within a minute, and keeps the old ones while the new are broken", async () => {
    const { files, write } = await operatorFiles();
    await write(future());
    const { tls, world, logged } = await opened({ files });
    const renewed = renewals(tls);
    await world.advance(10 * 60_000);
    expect(renewed).toEqual([]);

    writeFileSync(files.cert, "half a certif");
    await inMinutes(world, () => logged.length === 1);
    expect(logged[0]).toMatch(
      /^warn the new certificate cannot be used, and the old one stays .*expected a certificate/,
    );
    await world.advance(10 * 60_000);
    expect(logged).toHaveLength(1);

    const next = await write(future());
    await inMinutes(world, () => renewed.length === 1);
    expect(renewed[0]?.key).toBe(next.key);
    expect(logged.at(-1)).toBe("info the certificate is renewed");
    tls.close();
  });

  test("warns where the new certificate has another CA, which nobody has pinned", async () => {
    const one = await operatorFiles();
    const two = await operatorFiles();
    await one.write(future());
    await two.write(future());
    const { tls, world, logged } = await opened({ files: one.files });
    const renewed = renewals(tls);
    for (const name of ["cert", "key", "ca"] as const) copyFileSync(two.files[name], one.files[name]);
    await inMinutes(world, () => renewed.length === 1);
    expect(logged[0]).toStartWith("warn the certificate's CA is another");
    tls.close();
  });

  test("reads the CA of clients, and refuses a file without one", async () => {
    const { files, authority } = await operatorFiles();
    expect((await opened({ clientCa: files.ca })).tls.tls.clientCa).toBe(authority.cert);
    await expect(opened({ clientCa: join(home, "none.pem") })).rejects.toThrow("it does not exist");
  });
});
