import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createAttempts } from "../../src/auth/attempts.ts";
import { createDesk } from "../../src/auth/desk.ts";
import { createGate } from "../../src/auth/gate.ts";
import { signPass } from "../../src/auth/pass.ts";
import { memoryTokens, newSecret, newTokenId, type TokenStore } from "../../src/auth/token.ts";
import { SinewError } from "../../src/contract/problem.ts";

const LOCAL = "http://127.0.0.1:1336";
const OPERATOR = `operator.${newSecret()}`;

function makeGate({ mode = "required" as const, tokens = memoryTokens() as TokenStore } = {}) {
  let passed = 0;
  let jumped = 0;
  const start = Date.UTC(2026, 0, 1);
  const world = { now: () => new Date(start + passed + jumped), monotonic: () => passed };
  const gate = createGate({ mode, operatorToken: OPERATOR, tokens, world });
  const desk = createDesk({
    tokens,
    roles: ["viewer", "operator", "admin", "metrics", "agent", "driver"],
    world,
    invite: (credential) => credential,
  });
  return {
    tokens,
    desk,
    now: () => world.now().getTime(),
    pass: (ms: number) => {
      passed += ms;
    },
    jump: (ms: number) => {
      jumped += ms;
    },
    /** The role, or the code of the refusal. */
    async ask(credential: string | null, remoteAddress: string | null = "192.0.2.1", local: string | null = LOCAL) {
      const authorization = credential === null ? null : `Bearer ${credential}`;
      try {
        return (await gate.identify({ authorization, remoteAddress, local, write: false })).role;
      } catch (error) {
        if (error instanceof SinewError) return error.code;
        throw error;
      }
    },
    identify: gate.identify,
  };
}

describe("a gate", () => {
  test("knows each kind of token by its role, and says of none what it is", async () => {
    const gate = makeGate();
    for (const role of ["viewer", "operator", "admin", "metrics", "driver"] as const) {
      expect(await gate.ask((await gate.desk.make({ role })).credential)).toBe(role);
    }
    expect(await gate.ask((await gate.desk.make({ role: "agent" })).credential)).toBe("join");
    expect(await gate.ask(OPERATOR)).toBe("admin");
    expect(await gate.ask(null)).toBe("unauthorized");
    expect(JSON.stringify(await gate.desk.list())).not.toContain("hash");
  });

  test("refuses an expired token, also after the clock has jumped, and takes one whose clock went back", async () => {
    const gate = makeGate();
    const { credential } = await gate.desk.make({ role: "viewer", ttl_seconds: 60 });
    expect(await gate.ask(credential)).toBe("viewer");
    gate.pass(59_000);
    expect(await gate.ask(credential)).toBe("viewer");
    gate.pass(1_001);
    expect(await gate.ask(credential)).toBe("unauthorized");
    gate.jump(-30_000);
    expect(await gate.ask(credential)).toBe("viewer");
    gate.jump(10 * 365 * 86_400_000);
    gate.pass(1_001);
    expect(await gate.ask(credential)).toBe("unauthorized");
  });

  test("counts the uses of a join token, and refuses a revoked token within two seconds", async () => {
    const gate = makeGate();
    const join = await gate.desk.make({ role: "agent", uses: 2 });
    expect([await gate.tokens.use(join.id), await gate.tokens.use(join.id), await gate.tokens.use(join.id)]).toEqual([
      true,
      true,
      false,
    ]);
    // Who it is for is still known: whose answer was lost asks again.
    expect(await gate.ask(join.credential)).toBe("join");
    const { id, credential } = await gate.desk.make({ role: "viewer" });
    expect(await gate.ask(credential)).toBe("viewer");
    expect(await gate.desk.revoke(id)).toBe(true);
    gate.pass(2_000);
    expect(await gate.ask(credential)).toBe("unauthorized");
    expect(await gate.tokens.use(id)).toBe(false);
  });

  test("refuses a token whose secret or id is altered in any one character", async () => {
    const gate = makeGate();
    const { credential } = await gate.desk.make({ role: "admin" });
    await fc.assert(
      fc.asyncProperty(fc.nat(credential.length - 1), fc.constantFrom(..."0aZ_-.~"), async (at, character) => {
        const altered = credential.slice(0, at) + character + credential.slice(at + 1);
        fc.pre(altered !== credential);
        expect(["unauthorized", "rate_limited"]).toContain(await gate.ask(altered));
      }),
      { numRuns: 200 },
    );
  });

  test("refuses what is no token, whatever it looks like, and looks nothing long up", async () => {
    const lookedUp: string[] = [];
    const store = memoryTokens();
    const gate = makeGate({
      tokens: {
        ...store,
        find: (id) => {
          lookedUp.push(id);
          return store.find(id);
        },
      },
    });
    const odd = [
      ".".repeat(100_000),
      "a.".repeat(50_000),
      "a.b",
      ".",
      "operator.",
      "operator",
      `${OPERATOR}.`,
      `${OPERATOR}x`,
      OPERATOR.toUpperCase(),
      "operator.\0",
      "__proto__.x",
      "constructor.x",
      "\u202e.\u{1f600}",
      `${"x".repeat(4_000)}.y`,
      "eyJhbGciOiJub25lIn0.e30.",
    ];
    for (const credential of odd) expect(["unauthorized", "rate_limited"]).toContain(await gate.ask(credential));
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 60 }), async (credential) => {
        expect(["unauthorized", "rate_limited"]).toContain(await gate.ask(credential));
      }),
      { numRuns: 200 },
    );
    expect(lookedUp.every((id) => id.length <= 2_048)).toBe(true);
  });

  test("wants the Bearer scheme", async () => {
    const gate = makeGate();
    const { credential } = await gate.desk.make({ role: "viewer" });
    for (const authorization of [
      credential,
      `Basic ${credential}`,
      `Bearer${credential}`,
      `Bearer ${credential} x`,
      "",
    ]) {
      const asked = gate.identify({ authorization, remoteAddress: null, local: LOCAL, write: false });
      await expect(asked).rejects.toThrow("Authorization");
    }
    const asked = gate.identify({
      authorization: `bearer  ${credential} `,
      remoteAddress: null,
      local: LOCAL,
      write: false,
    });
    expect((await asked).role).toBe("viewer");
  });

  test("answers rate_limited after 20 wrong ones from an address, and takes a right one from there all the same", async () => {
    const gate = makeGate();
    const { credential } = await gate.desk.make({ role: "viewer" });
    const guess = () => gate.ask(`${newTokenId()}.${newSecret()}`);
    const first = await Promise.all(Array.from({ length: 20 }, guess));
    expect(new Set(first)).toEqual(new Set(["unauthorized"]));
    expect(await guess()).toBe("rate_limited");
    expect(await gate.ask(credential)).toBe("viewer");
    expect(await gate.ask(OPERATOR)).toBe("admin");
    expect(await gate.ask("wrong.one", "192.0.2.2")).toBe("unauthorized");
    gate.pass(60_000);
    expect(await guess()).toBe("unauthorized");
  });

  test("takes a pass for its own port alone, for a minute, and no token for one", async () => {
    const gate = makeGate();
    const own = await signPass(OPERATOR, "http://localhost:1336", gate.now());
    expect(await gate.ask(own)).toBe("admin");
    expect(await gate.ask(own, null, "http://127.0.0.1:1337")).toBe("unauthorized");
    expect(await gate.ask(own, null, "unix:/run/sinew.sock")).toBe("unauthorized");
    expect(await gate.ask(await signPass(`operator.${newSecret()}`, LOCAL, gate.now()))).toBe("unauthorized");
    gate.pass(63_000);
    expect(await gate.ask(own)).toBe("unauthorized");
    // One that was signed when the clock was ahead is not good until then.
    const early = await signPass(OPERATOR, LOCAL, gate.now() + 3_600_000);
    expect(await gate.ask(early)).toBe("unauthorized");
  });

  test("in mode open knows who shows a right token, and lets anyone else in as anyone", async () => {
    const gate = createGate({
      mode: "open",
      operatorToken: OPERATOR,
      tokens: memoryTokens(),
      world: { now: () => new Date(), monotonic: () => 0 },
    });
    const ask = async (authorization: string | null) =>
      (await gate.identify({ authorization, remoteAddress: null, local: LOCAL, write: false })).role;
    expect(await ask(null)).toBe("anyone");
    expect(await ask("Bearer wrong.one")).toBe("anyone");
    expect(await ask(`Bearer ${OPERATOR}`)).toBe("admin");
  });
});

describe("attempts", () => {
  test("are remembered of 10,000 addresses and no more", () => {
    let now = 0;
    const attempts = createAttempts(() => now);
    const first = "2001:db8::1";
    for (let turn = 0; turn < 25; turn += 1) attempts.wrong(first);
    expect(attempts.wrong(first)).toBe(60);
    // One machine has the whole /64.
    expect(attempts.wrong("2001:db8::2:1")).toBe(60);
    for (let one = 1; one <= 10_000; one += 1) attempts.wrong(`2001:db8:${one.toString(16)}::1`);
    expect(attempts.wrong(first)).toBeNull();
    now = 60_000;
    expect(attempts.wrong(first)).toBeNull();
  });

  test("tell how long to wait, from a second to a minute", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5_000), { minLength: 21, maxLength: 60 }), (steps) => {
        let now = 0;
        const attempts = createAttempts(() => now);
        for (const step of steps) {
          now += step;
          const wait = attempts.wrong("192.0.2.1");
          if (wait !== null) expect(wait >= 1 && wait <= 60).toBe(true);
        }
      }),
    );
  });
});

describe("a desk", () => {
  const refusal = async (
    wanted: Parameters<ReturnType<typeof makeGate>["desk"]["make"]>[0],
    roles = ["viewer", "agent"],
  ) => {
    const desk = createDesk({
      tokens: memoryTokens(),
      roles: roles as ["viewer"],
      world: { now: () => new Date() },
    });
    const made = desk.make(wanted).then(
      () => null,
      (error) => (error instanceof SinewError ? error.message : error),
    );
    return made;
  };

  test("makes no token that its tier has no use for, and none that says more than it keeps", async () => {
    expect(await refusal({ role: "driver" })).toContain("role");
    expect(await refusal({ role: "viewer", uses: 1 })).toContain("uses");
    expect(await refusal({ role: "viewer", bound_to: "n1" })).toContain("bound_to");
    expect(await refusal({ role: "agent", bound_to: "n1", uses: null })).toBeNull();
  });

  test("keeps nothing of a secret but its hash", async () => {
    const tokens = memoryTokens();
    const desk = createDesk({ tokens, roles: ["viewer"], world: { now: () => new Date() } });
    const { credential, id } = await desk.make({ role: "viewer" });
    const [, secret = ""] = credential.split(".");
    expect(secret).toHaveLength(43);
    expect(JSON.stringify([await tokens.list(), await desk.list()])).not.toContain(secret);
    expect((await tokens.find(id))?.hash).toMatch(/^[0-9a-f]{64}$/);
  });

  test("keeps no token of an invitation that cannot be made", async () => {
    const tokens = memoryTokens();
    const invite = () => {
      throw new SinewError("busy", "nobody could use it");
    };
    const desk = createDesk({ tokens, roles: ["agent"], world: { now: () => new Date() }, invite });
    await expect(desk.make({ role: "agent" })).rejects.toThrow("nobody could use it");
    expect(await tokens.list()).toEqual([]);
  });
});
