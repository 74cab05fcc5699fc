import { afterEach, describe, expect, test } from "bun:test";
import type { Link } from "../../../src/client/link/call.ts";
import { connectSocket } from "../../../src/client/link/connect.ts";
import { acceptLink } from "../../../src/client/link/handshake.ts";
import { type HeldLink, holdLink, type LinkState } from "../../../src/client/link/redial.ts";
import type { Socket } from "../../../src/client/link/socket.ts";
import { SinewError } from "../../../src/contract/problem.ts";
import { listen } from "../../../src/serve.ts";
import { virtualWorld } from "../../support/world.ts";
import { type MemorySocket, memoryPair, testWorld, until } from "./sockets.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A conductor at the far end of memory sockets, in a world whose time stands still. */
function simulated(
  options: { verify?: () => Promise<null>; connect?: () => Promise<Socket>; random?: () => number } = {},
) {
  const virtual = virtualWorld();
  const world = { ...virtual.world, random: options.random ?? virtual.world.random };
  const warned: unknown[] = [];
  world.log = (level, _, fields) => level === "warn" && warned.push(fields?.error);
  const dialled: number[] = [];
  const fars: { socket: MemorySocket; link: Link | null }[] = [];
  const states: LinkState["kind"][] = [];
  const connect = async () => {
    dialled.push(world.monotonic());
    if (options.connect) return options.connect();
    const [near, far] = memoryPair();
    const entry: (typeof fars)[number] = { socket: far, link: null };
    fars.push(entry);
    acceptLink(far, {
      conductor: "c1",
      verify: options.verify ?? (async () => null),
      handle: () => new Response("far"),
      world,
    }).then(
      ({ link }) => {
        entry.link = link;
      },
      () => {},
    );
    return near;
  };
  const held = holdLink({
    connect,
    prove: async () => "x",
    handle: () => new Response("near"),
    world,
    onState: ({ kind }) => states.push(kind),
  });
  ends.push(held.stop);
  return { ...virtual, held, dialled, fars, states, warned };
}

describe("holdLink()", () => {
  test("dials, holds, and dials again when the link is lost", async () => {
    const { held, fars, states, advance, settle } = simulated();
    await expect(held.fetch("http://x/")).rejects.toMatchObject({ code: "unavailable" });
    held.start();
    held.start();
    await settle();
    await settle();
    expect(held.state.kind).toBe("up");
    expect(await (await held.fetch("http://x/")).text()).toBe("far");
    expect(await (await fars[0]!.link!.fetch("http://x/")).text()).toBe("near");
    fars[0]!.link!.close("the conductor goes");
    await settle();
    expect(held.state).toMatchObject({ kind: "down", error: { message: "the link was closed: the conductor goes" } });
    await expect(held.fetch("http://x/")).rejects.toThrow("the conductor goes");
    await advance(500);
    await settle();
    expect(await (await held.fetch("http://x/")).text()).toBe("far");
    expect(states).toEqual(["dialling", "up", "down", "dialling", "up"]);
    expect(fars.length).toBe(2);
  });

  test("waits little while a restart may last, then up to twice as long after each failure, to 30 s, and says each cause once", async () => {
    const { held, dialled, warned, advance } = simulated({ connect: () => Promise.reject(new Error("refused")) });
    held.start();
    await advance(200_000);
    const waits = dialled.slice(1).map((at, index) => at - dialled[index]!);
    expect(waits.slice(0, 14).map(Math.round)).toEqual([
      ...[500, 1000, 2000, 2000, 2000, 2000, 2000, 2000],
      ...[4000, 8000, 16000, 30000, 30000, 30000],
    ]);
    expect(warned).toEqual(["refused"]);
  });

  test("spreads its dials over the whole of a wait", async () => {
    const waits: number[] = [];
    for (const random of [0, 0.25, 0.5]) {
      const { held, dialled, advance } = simulated({
        connect: () => Promise.reject(new Error("refused")),
        random: () => random || 0.001,
      });
      held.start();
      await advance(400);
      waits.push(dialled[1]! - dialled[0]!);
      held.stop();
    }
    expect(waits).toEqual([0.5, 125, 250]);
  });

  test("begins anew after a link that lasted over a minute, not after a shorter one", async () => {
    const { held, dialled, fars, advance, settle } = simulated();
    held.start();
    const lose = async (afterMs: number) => {
      await until(() => held.state.kind === "up", "the link is up");
      await advance(afterMs);
      fars.at(-1)!.link!.close("lost");
      await settle();
      const [before, from] = [dialled.length, dialled.at(-1)! + afterMs];
      for (let passed = 0; dialled.length === before; passed += 100) {
        if (passed > 40_000) throw new Error("it does not dial");
        await advance(100);
      }
      return dialled.at(-1)! - from;
    };
    const waits: number[] = [];
    for (const lasted of [10, 10, 10, 61_000]) waits.push(await lose(lasted));
    expect(waits.map((wait) => Math.round(wait / 100) * 100)).toEqual([500, 1000, 2000, 500]);
  });

  test("says a lasting refusal once and goes on asking, every 30 s at most", async () => {
    let refuse = true;
    const verify = () =>
      refuse ? Promise.reject(new SinewError("node_conflict", "two machines")) : Promise.resolve(null);
    const { held, dialled, warned, advance, settle } = simulated({ verify });
    held.start();
    await advance(95_000);
    expect(dialled.length).toBe(4);
    expect(dialled[1]! - dialled[0]!).toBeGreaterThan(29_000);
    expect(warned).toEqual(["two machines"]);
    expect(held.state).toMatchObject({ kind: "down", error: { code: "node_conflict" } });
    refuse = false;
    await advance(30_000);
    await settle();
    expect(held.state.kind).toBe("up");
  });

  test("gives up a connection that does not come, and closes it when it comes too late", async () => {
    const connecting = Promise.withResolvers<Socket>();
    const { held, dialled, advance } = simulated({ connect: () => connecting.promise });
    held.start();
    await advance(59_000);
    expect(dialled.length).toBe(1);
    await advance(2_000);
    expect(dialled.length).toBe(2);
    held.stop();
    const [late] = memoryPair();
    connecting.resolve(late);
    await until(() => late.closedFor !== null, "the late one is closed");
  });

  test("closes the link when stopped, fails what is pending, and never dials again", async () => {
    const { held, fars, dialled, advance, settle } = simulated();
    held.start();
    await settle();
    await settle();
    const pending = held.fetch("http://x/");
    held.stop();
    await expect(pending).rejects.toThrow("stopped");
    await until(() => fars[0]!.socket.closedFor !== null, "the far end is closed");
    await advance(120_000);
    expect([held.state.kind, dialled.length]).toEqual(["stopped", 1]);
    await expect(held.fetch("http://x/")).rejects.toThrow("no link");
  });

  test("closes what it was dialling when stopped, and can be started again, one dial at a time", async () => {
    let open = 0;
    let most = 0;
    const { held, dialled, advance, settle } = simulated({
      connect: async () => {
        open += 1;
        most = Math.max(most, open);
        const [near] = memoryPair();
        const close = near.close.bind(near);
        near.close = (code, reason) => {
          if (near.closedFor === null) open -= 1;
          close(code, reason);
        };
        return near;
      },
    });
    for (let round = 0; round < 5; round += 1) {
      held.start();
      if (round % 2) await settle();
      held.stop();
    }
    held.start();
    await settle();
    await advance(1_000);
    expect(dialled.length).toBeGreaterThan(1);
    expect(most).toBe(1);
    held.stop();
    await settle();
    expect(open).toBe(0);
  });
});

describe("a link over a real WebSocket", () => {
  async function conductor(verify: (proof: string) => Promise<string> = async (proof) => proof) {
    const { world } = testWorld();
    const links: Link[] = [];
    const handle = (request: Request) => new Response(request.body);
    const accept = (socket: Socket) =>
      void acceptLink(socket, { conductor: "c1", verify, handle, world }).then(
        ({ link }) => links.push(link),
        () => {},
      );
    const server = await listen(
      { host: "127.0.0.1", port: 0 },
      (_, env) => env.upgrade?.(accept) ?? new Response(null, { status: 426 }),
    );
    const stop = () => server.stop({ graceMs: 1000 });
    ends.push(stop);
    return { url: server.url.replace("http", "ws"), links, stop };
  }

  function agent(url: () => string, limits = {}): { held: HeldLink; states: LinkState["kind"][] } {
    const { world } = testWorld();
    const states: LinkState["kind"][] = [];
    const held = holdLink({
      connect: () => connectSocket(url(), { deadlineMs: 2000 }),
      prove: async () => "n1",
      handle: async (request) => new Response(`agent got ${(await request.bytes()).length}`),
      world: { ...world, random: () => 0.05 },
      limits,
      onState: ({ kind }) => states.push(kind),
    });
    ends.push(held.stop);
    held.start();
    return { held, states };
  }

  test("carries large bodies both ways at once, equal", async () => {
    const { url, links } = await conductor();
    const { held } = agent(() => url);
    await until(() => held.state.kind === "up" && links.length === 1, "the link is up");
    const body = crypto.getRandomValues(new Uint8Array(60_000));
    const large = new Uint8Array(await new Blob(Array(100).fill(body)).arrayBuffer());
    const echoes = Array.from({ length: 5 }, async () => {
      const response = await held.fetch("http://x/", { method: "POST", body: large });
      expect(Buffer.compare(await response.bytes(), large)).toBe(0);
    });
    const downward = links[0]!.fetch("http://x/", { method: "POST", body: large });
    expect(await (await downward).text()).toBe("agent got 6000000");
    await Promise.all(echoes);
  });

  test("repeats a heartbeat rightly, with bodies between", async () => {
    const { url } = await conductor();
    const { held } = agent(() => url);
    await until(() => held.state.kind === "up", "the link is up");
    for (let round = 0; round < 20; round += 1) {
      const body = round % 5 === 4 ? "other" : '{"status":"READY"}';
      expect(await (await held.fetch("http://x/hello", { method: "POST", body })).text()).toBe(body);
    }
  });

  test("comes back when its conductor is gone and there again, at another address", async () => {
    const first = await conductor();
    let { url } = first;
    const { held, states } = agent(() => url);
    await until(() => held.state.kind === "up", "the link is up");
    await first.stop();
    await until(() => held.state.kind === "down", "the link is lost");
    await expect(held.fetch("http://x/")).rejects.toMatchObject({ code: "unavailable" });
    url = (await conductor()).url;
    await until(() => held.state.kind === "up", "the link is up again");
    expect(await (await held.fetch("http://x/", { method: "POST", body: "again" })).text()).toBe("again");
    expect(states.slice(0, 4)).toEqual(["dialling", "up", "down", "dialling"]);
  });

  test("learns why it is refused", async () => {
    const { url } = await conductor(async () => {
      throw new SinewError("unauthorized", "this key is revoked");
    });
    const { held } = agent(() => url);
    await until(() => held.state.kind === "down", "the refusal");
    expect(held.state).toMatchObject({ error: { code: "unauthorized", message: "this key is revoked" } });
  });
});
