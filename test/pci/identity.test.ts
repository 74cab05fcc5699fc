import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { deviceUuid, NIL_UUID, sha1, uuidV5 } from "../../src/pci/identity.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const ascii = (text: string) => new TextEncoder().encode(text);

describe("sha1()", () => {
  test("gives the digests of RFC 3174, section 7.3", () => {
    expect(hex(sha1(ascii("abc")))).toBe("a9993e364706816aba3e25717850c26c9cd0d89d");
    expect(hex(sha1(ascii("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")))).toBe(
      "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
    );
    expect(hex(sha1(ascii("a".repeat(1_000_000))))).toBe("34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    expect(hex(sha1(ascii("01234567".repeat(80))))).toBe("dea356a2cddd90c7a7ecedc5ebb563934f460452");
  });

  test("agrees with the platform's for every length around a block", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(hex(sha1(bytes))).toBe(createHash("sha1").update(bytes).digest("hex"));
      }),
    );
  });
});

describe("uuidV5()", () => {
  test("gives the example of RFC 9562, appendix A.4", () => {
    expect(uuidV5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com")).toBe(
      "2ed6657d-e927-568b-95e1-2665a8aea6a2",
    );
  });

  test("refuses a namespace that is no UUID", () => {
    expect(() => uuidV5("node-1", "x")).toThrow(new RangeError('a UUID is 8-4-4-4-12 hex digits, got "node-1"'));
  });
});

describe("deviceUuid()", () => {
  const fn = { path: "0000:00/01.0/00.0", vendor_id: "10de", device_id: "2330" };

  test("depends on the node, the path and the ids, and on nothing else", () => {
    const uuid = deviceUuid(NIL_UUID, fn);
    expect(deviceUuid(NIL_UUID, { ...fn })).toBe(uuid);
    const others = [
      deviceUuid("2ed6657d-e927-568b-95e1-2665a8aea6a2", fn),
      deviceUuid(NIL_UUID, { ...fn, path: "0000:00/01.0/00.1" }),
      deviceUuid(NIL_UUID, { ...fn, device_id: "2331" }),
    ];
    expect(new Set([uuid, ...others]).size).toBe(4);
  });

  test("never changes between versions: stored rows are keyed by it", () => {
    expect(deviceUuid(NIL_UUID, fn)).toBe("b6b09731-956e-5a02-ba5a-cd2440c1c429");
  });
});
