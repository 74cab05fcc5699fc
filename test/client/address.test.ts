import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Address,
  formatAddress,
  formatCidr,
  isInside,
  isLoopback,
  neverCalled,
  parseAddress,
  parseCidrs,
} from "../../src/client/address.ts";

const RUNS = { numRuns: 2000 };
const byte = fc.integer({ min: 0, max: 255 });
const v4 = fc.tuple(byte, byte, byte, byte);
const v6 = fc.array(byte, { minLength: 16, maxLength: 16 });

/** Ways to write a byte or more of an IPv4 address that a URL's parser knows (WHATWG URL, 3.5). */
const numeral = (value: number) =>
  fc.constantFrom(`${value}`, `0${value.toString(8)}`, `0x${value.toString(16)}`, `0X00${value.toString(16)}`);

/** Any spelling of an IPv4 address in a URL's host. */
function spelled([a, b, c, d]: readonly number[]): fc.Arbitrary<string> {
  const [first = 0, second = 0, third = 0, fourth = 0] = [a, b, c, d];
  const forms = [
    [first, second, third, fourth],
    [first, second, third * 256 + fourth],
    [first, second * 65_536 + third * 256 + fourth],
    [first * 2 ** 24 + second * 65_536 + third * 256 + fourth],
  ];
  const written = fc
    .oneof(...forms.map((parts) => fc.tuple(...parts.map(numeral)).map((texts) => texts.join("."))))
    .chain((text) =>
      fc.constantFrom(
        text,
        `${text}.`,
        [...text].map((character) => `%${character.charCodeAt(0).toString(16)}`).join(""),
        text.replace(/[0-9]/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
        text.replaceAll(".", "\u3002"),
      ),
    );
  const word = (high: number, low: number) => (high * 256 + low).toString(16);
  const mapped = [
    `[::ffff:${[first, second, third, fourth].join(".")}]`,
    `[::ffff:${word(first, second)}:${word(third, fourth)}]`,
    `[0:0:0:0:0:FFFF:${word(first, second)}:${word(third, fourth)}]`,
  ];
  return fc.oneof(written, fc.constantFrom(...mapped));
}

const judged = (host: string): Address => {
  const address = parseAddress(new URL(`http://${host}:1337/x`).hostname);
  if (!address) throw new Error(`${host} is no address to parseAddress()`);
  return address;
};

describe("parseAddress()", () => {
  test("knows every spelling of an IPv4 address that a URL's parser knows", () => {
    const cases = v4.chain((bytes) => fc.tuple(fc.constant(bytes), spelled(bytes)));
    fc.assert(
      fc.property(cases, ([bytes, host]) => expect(judged(host)).toEqual(bytes)),
      RUNS,
    );
  });

  test("knows every IPv6 address as a URL's parser writes it, and as it is written out", () => {
    fc.assert(
      fc.property(v6, (bytes) => {
        const text = formatAddress(bytes);
        const expected = /^0:0:0:0:0:ffff:/.test(text) ? bytes.slice(12) : bytes;
        expect(judged(`[${text}]`)).toEqual(expected);
        expect(parseAddress(text)).toEqual(expected);
      }),
      RUNS,
    );
  });

  test("takes what a URL's parser takes for an address for the same, or for a name to be resolved", () => {
    const near = fc.string({ unit: fc.constantFrom(..."0123456789abcdefx.:%[]/ "), maxLength: 24 });
    const garbage = fc.oneof(near, fc.ipV4(), fc.ipV6(), fc.domain());
    fc.assert(
      fc.property(garbage, (text) => {
        const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
        const address = parseAddress(text);
        const url = `http://${bare.includes(":") ? `[${bare}]` : bare}/`;
        // Bun's parser refuses some that RFC 4291 allows, such as ::1:2:3:4:1.2.3.4.
        // What has "::]/" in it is a host and a path.
        if (!URL.canParse(url) || new URL(url).pathname !== "/") return;
        const read = parseAddress(new URL(url).hostname);
        // It also passes over one colon at the end, which makes no address of RFC 4291: what is judged is what it made of it.
        if (!address && /[^:]:$/.test(bare)) expect(read).toEqual(parseAddress(bare.slice(0, -1)) ?? []);
        else if (address) expect(read).toEqual(address);
        else expect(bare).not.toContain(":");
      }),
      { numRuns: 5000 },
    );
  });

  test.each(["fe80::1%eth0", "fe80::1%2", "127.0.0.1%lo", "1.2.3", "01.2.3.4", "256.1.1.1", "::1::", "", "localhost"])(
    "takes %s for no address",
    (text) => expect(parseAddress(text)).toBeNull(),
  );
});

/** An address in each form that stands for an IPv4 address. */
const forms = ([a, b, c, d]: readonly number[]) => {
  const low = `${a}.${b}.${c}.${d}`;
  const sixToFour = `2002:${((a ?? 0) * 256 + (b ?? 0)).toString(16)}:${((c ?? 0) * 256 + (d ?? 0)).toString(16)}::1`;
  return [low, `::ffff:${low}`, `64:ff9b::${low}`, `::ffff:0:${low}`, sixToFour];
};
const from = (start: readonly number[], length = 4) =>
  fc
    .array(byte, { minLength: length - start.length, maxLength: length - start.length })
    .map((rest) => [...start, ...rest]);
const all = parseCidrs("0.0.0.0/0,::/0") ?? [];

describe("neverCalled()", () => {
  test("refuses every spelling of what is no machine's address, in every form that carries it", () => {
    const bad = fc.oneof(
      from([0]),
      from([169, 254]),
      fc.integer({ min: 224, max: 255 }).chain((first) => from([first])),
      fc.constantFrom([100, 100, 100, 200], [192, 0, 0, 192], [169, 254, 169, 254], [168, 63, 129, 16]),
    );
    const cases = bad.chain((bytes) =>
      fc.oneof(
        spelled(bytes),
        fc.constantFrom(...forms(bytes).slice(1)).map((text) => `[${text}]`),
      ),
    );
    fc.assert(
      fc.property(cases, (host) => expect(neverCalled(judged(host))).toBeString()),
      RUNS,
    );
  });

  test.each([
    "::",
    "fe80::1",
    "febf::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "2001:0:1::7f00:1",
    "64:ff9b:1::a00:7",
    "::10.0.0.7",
    "64:ff9b::127.0.0.1",
    "2002:7f00:1::",
  ])("refuses %s", (text) => expect(neverCalled(parseAddress(text) ?? [])).toBeString());

  test("refuses no address that a machine can have, and every spelling of it is inside its network", () => {
    const good = fc.constantFrom([10], [172, 16], [192, 168], [8, 8], [127]).chain((start) => from(start));
    const cases = good.chain((bytes) => fc.tuple(fc.constant(bytes), spelled(bytes)));
    fc.assert(
      fc.property(cases, ([bytes, host]) => {
        expect(neverCalled(judged(host))).toBeNull();
        expect(isLoopback(judged(host))).toBe(bytes[0] === 127);
        expect(isInside(judged(host), parseCidrs(`${bytes.slice(0, 3).join(".")}.0/24`) ?? [])).toBe(true);
        expect(isInside(judged(host), all)).toBe(true);
      }),
      RUNS,
    );
  });
});

describe("parseCidrs()", () => {
  test("holds exactly the addresses that share its first bits", () => {
    const bitsOf = (address: Address) => address.map((one) => one.toString(2).padStart(8, "0")).join("");
    const cases = fc.oneof(v4, v6).chain((address) =>
      fc.record({
        address: fc.constant(address),
        bits: fc.integer({ min: 0, max: address.length * 8 }),
        other: fc.oneof(fc.constant(address), from(address.slice(0, 2), address.length)),
      }),
    );
    fc.assert(
      fc.property(cases, ({ address, bits, other }) => {
        const network = address.map((one, at) => one & (0xff00 >> Math.max(0, Math.min(8, bits - 8 * at))) & 0xff);
        const text = `${formatAddress(network)}/${bits}`;
        const [cidr] = parseCidrs(text) ?? [];
        fc.pre(cidr !== undefined && cidr.address.length === address.length);
        expect(parseCidrs(formatCidr(cidr))).toEqual([cidr]);
        const judgedAlone =
          other.length === 4 ||
          (neverCalled(other) === null && !/^(2002|64:ff9b|0:0:0:0:ffff):/.test(formatAddress(other)));
        fc.pre(judgedAlone && !/^0:0:0:0:0:ffff:/.test(formatAddress(other)));
        expect(isInside(other, [cidr])).toBe(bitsOf(other).slice(0, bits) === bitsOf(network).slice(0, bits));
      }),
      RUNS,
    );
  });

  test("reads networks with spaces, a lone address, and the IPv4 network in an IPv6 one", () => {
    expect(parseCidrs("10.0.0.0/8, fd12::/16")?.map(formatCidr)).toEqual(["10.0.0.0/8", "fd12::/16"]);
    expect(parseCidrs("10.0.0.7")?.map(formatCidr)).toEqual(["10.0.0.7/32"]);
    expect(parseCidrs("::ffff:10.0.0.0/104")?.map(formatCidr)).toEqual(["10.0.0.0/8"]);
  });

  test.each([
    "",
    "10.0.0.0/33",
    "10.0.0.7/8",
    "10/8",
    "010.0.0.0/8",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0.0/8,",
    "[fd12::]/16",
    "fd12::/129",
    "fe80::%eth0/10",
    "64:ff9b::/96",
    "2002:a00::/24",
    "rack-1",
  ])("reads nothing from %j", (text) => expect(parseCidrs(text)).toBeNull());

  test("any text is networks or null", () => {
    fc.assert(
      fc.property(fc.string(), (text) => void parseCidrs(text)),
      { numRuns: 5000 },
    );
  });
});
