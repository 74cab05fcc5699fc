import type { Random } from "../fuzz/random.ts";
import type { Acknowledged } from "../truth/acknowledged.ts";
import type { Liveness } from "../truth/liveness.ts";
import { keyOf, type TrueNode } from "../truth/quiet.ts";
import { type Asked, ask } from "./ask.ts";

/**
 * An agent in this process, which is called back: of it alone it is known to the millisecond when it said hello and was
 * answered. It says hello at one conductor after the other, as behind a load balancer.
 */
export function makeCaller(
  name: string,
  {
    conductors,
    ttlMs,
    liveness,
    acknowledged,
  }: { conductors: readonly Asked[]; ttlMs: number; liveness: Liveness; acknowledged: Acknowledged },
) {
  const id = crypto.randomUUID();
  const boot = crypto.randomUUID();
  const devices = new Map<string, { uuid: string; source: string; name: string; version: number }>();
  const known = new Set<string>();
  let generation = 1;
  let silent = false;
  let stopped = false;
  let turn = 0;
  let wake = () => {};

  function add() {
    const uuid = crypto.randomUUID();
    devices.set(uuid, { uuid, source: "gpu", name: `card ${generation}`, version: 1 });
    known.add(keyOf(id, "gpu", uuid));
  }
  for (let count = 0; count < 3; count += 1) add();

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      if (silent) return new Response(null, { status: 503 });
      const { pathname } = new URL(request.url);
      if (pathname === "/discovery") return Response.json({ status: "IN-PROGRESS" }, { status: 202 });
      if (pathname !== "/hardware") return new Response(null, { status: 404 });
      const tag = `W/"g${generation}"`;
      if (request.headers.get("if-none-match") === tag) return new Response(null, { status: 304 });
      const hardware = [...devices.values()].map(({ uuid, source, name }) => ({
        ...{ uuid, source, name, acc_specs: { remote: 0, num: 1, device_type: "GPU" } },
        acc_status: { setup_required: false, reboot_required: false },
      }));
      const observed_at = new Date().toISOString();
      const own = {
        name: "gpu",
        type: "GPU",
        endpoint: null,
        status: "OK",
        observed_at,
        count: hardware.length,
        error: null,
      };
      return Response.json({ hardware, sources: [own], generation: `g${generation}` }, { headers: { etag: tag } });
    },
  });

  async function hello(): Promise<void> {
    const sent = performance.now();
    const body = {
      ...{ status: "READY", endpoint: `http://127.0.0.1:${server.port}`, name, node: { id, name } },
      ...{ api: { min: "1.0", max: "1.0" }, generation: `g${generation}`, boot_id: boot },
    };
    const at = conductors[turn++ % conductors.length] as Asked; // there is one at least
    await ask(at, "/hello", { body, ms: 1_500 });
    const answered = performance.now();
    if (silent) return;
    liveness.heard(id, { sent, answered, ttlMs });
    acknowledged.acknowledge(`node ${id}`, answered);
  }

  const running = (async () => {
    while (!stopped) {
      const answered =
        silent ||
        (await hello().then(
          () => true,
          () => false,
        ));
      // Elsewhere at once, as agents do not yet but load balancers do.
      const pause = answered ? ttlMs / 3 : 100;
      await new Promise<void>((done) => {
        const timer = setTimeout(done, pause);
        wake = () => {
          clearTimeout(timer);
          done();
        };
      });
    }
  })();

  return {
    id,
    name,
    known,
    get isSilent() {
      return silent;
    },
    change(random: Random): string {
      const present = [...devices.keys()];
      generation += 1;
      const what = random.int(3);
      if (what === 0 || present.length < 2) add();
      else if (what === 1) devices.delete(random.pick(present));
      else {
        const device = devices.get(random.pick(present));
        if (device) device.name = `card ${generation}`;
      }
      wake();
      return "another report";
    },
    silence() {
      silent = true;
      liveness.silent(id, { since: performance.now(), ttlMs });
    },
    speak() {
      silent = false;
      liveness.sounds(id);
      wake();
    },
    truth: (): TrueNode => ({
      id,
      name,
      state: "LIVE",
      sources: [{ name: "gpu", ok: true }],
      devices: [...devices.values()],
    }),
    async stop() {
      stopped = true;
      wake();
      await running;
      await server.stop(true);
    },
  };
}
export type Caller = ReturnType<typeof makeCaller>;
