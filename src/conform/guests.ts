import { Registered } from "../contract/hello.ts";
import { VERSION_HEADER } from "../contract/version.ts";
import { listen } from "../serve.ts";
import { type TierName, Unchecked, Wrong } from "./check.ts";
import type { Answer, Ask } from "./client.ts";

/** What a peer of conform's own answers at the moment. */
export interface Shown {
  hardware: object[];
  /** Undefined: as the seed has it, a list and nothing more. */
  generation?: string;
  /** Another than 200 in its place. */
  status?: number;
}

/** A small peer in this process that registers at the system and is asked by it. */
export interface Guest {
  readonly uuid: string;
  readonly endpoint: string;
  shown: Shown;
  /** `GET /hardware`, in the order they came. */
  readonly asked: string[];
  /** The answer to the last hello that was good. */
  registered: { uuid: string | null; ttlSeconds: number };
  hello(body?: object): Promise<Answer>;
}

/** Whether the system shows nothing of a guest's devices any more, or as gone. */
export type IsGone = (guest: Guest) => Promise<boolean>;

export interface Guests {
  /** Says the seed's hello, word for word, and shows one device with the seed's misprint. */
  seed(): Promise<Guest>;
  /** Names its API versions and its node; called `conform-…`. */
  full(): Promise<Guest>;
  readonly name: string;
  readonly nodeId: string;
  /** Takes the devices back, says LEAVING for all and stops them. */
  leave(isGone: IsGone): Promise<void>;
}

export const FULL_API = { min: "1.0", max: "1.0" };

/** `host`: where the peers listen, and what they announce. */
export function createGuests({ tier, ask, host }: { tier: TierName; ask: Ask; host: string }): Guests {
  const id = crypto.randomUUID();
  const name = `conform-${id.slice(0, 8)}`;
  const made: { guest: Guest; stop(): Promise<void> }[] = [];
  const type = tier === "agent" ? { type: "CRYPTO" } : {};

  async function open(shown: (uuid: string) => Shown, said: (guest: Guest) => object): Promise<Guest> {
    const asked: string[] = [];
    const listener = await listen({ host, port: 0 }, (request) => {
      const { pathname } = new URL(request.url);
      asked.push(`${request.method} ${pathname}`);
      // Like the seed's text: no version, no operation, no header that it does not name.
      if (pathname === "/discovery") return Response.json({ status: "IN-PROGRESS" });
      if (pathname !== "/hardware") return new Response(null, { status: 404 });
      const { status = 200, hardware, generation } = guest.shown;
      const source = { name, type: "CRYPTO", endpoint: null, status: "OK", error: null, count: hardware.length };
      const own =
        generation === undefined ? {} : { generation, sources: [{ ...source, observed_at: new Date().toISOString() }] };
      const headers: Record<string, string> = generation === undefined ? {} : { [VERSION_HEADER]: "1.0" };
      const devices = generation === undefined ? hardware : hardware.map((device) => ({ ...device, source: name }));
      return Response.json({ hardware: devices, ...own }, { status, headers });
    });
    const uuid = crypto.randomUUID();
    const guest: Guest = {
      uuid,
      // As the seed writes it: without a scheme.
      endpoint: listener.url.replace("http://", ""),
      shown: shown(uuid),
      asked,
      registered: { uuid: null, ttlSeconds: 30 },
      async hello(body = {}) {
        const answer = await ask("POST", "/hello", { body: { ...said(guest), ...body } });
        const good = Registered.safeParse(parsed(answer.text));
        if (good.success) guest.registered = { uuid: good.data.uuid, ttlSeconds: good.data.lease.ttl_seconds };
        return answer;
      },
    };
    made.push({ guest, stop: () => listener.stop({ graceMs: 200 }) });
    return guest;
  }

  /** Once, whatever came of it: a second hello would hide that the first one failed. */
  const once = (make: () => Promise<Guest>) => {
    let result: Promise<Guest> | null = null;
    return () => {
      if (result) return result.catch((error) => Promise.reject(new Unchecked(`its hello failed: ${error.message}`)));
      result = make();
      return result;
    };
  };
  const registered = async (guest: Guest) => {
    const answer = await guest.hello();
    if (answer.status < 200 || answer.status > 299) throw new Wrong("POST /hello to answer 2xx", String(answer.status));
    return guest;
  };

  return {
    name,
    nodeId: id,
    seed: once(async () =>
      registered(
        await open(
          (uuid) => ({ hardware: [seedDevice(uuid)] }),
          ({ endpoint }) => ({ status: "READY", endpoint, ...type }),
        ),
      ),
    ),
    full: once(async () =>
      registered(
        await open(
          (uuid) => ({ hardware: [seedDevice(uuid)], generation: "1" }),
          ({ endpoint, shown: { generation } }) => ({
            ...{ status: "READY", endpoint: `http://${endpoint}`, ...type, name, node: { id, name } },
            ...{ api: FULL_API, generation },
          }),
        ),
      ),
    ),
    async leave(isGone) {
      await Promise.all(
        made.splice(0).map(async ({ guest, stop }) => {
          await withdraw(guest, isGone).catch(() => {}); // an answer is no longer of interest: the checks are over
          await stop();
        }),
      );
    },
  };
}

/** An empty list first, so that the devices are known to be gone and not just silent; then the last word. */
async function withdraw(guest: Guest, isGone: IsGone): Promise<void> {
  const generation = guest.shown.generation === undefined ? {} : { generation: `${guest.shown.generation}-left` };
  guest.shown = { hardware: [], ...generation };
  const { status } = await guest.hello();
  // Worth waiting for only where it has ever been asked. Its word is taken as the last: what is under way is dropped.
  const end = performance.now() + (status === 200 && guest.asked.length > 0 ? 3000 : 0);
  while (performance.now() < end && !(await isGone(guest).catch(() => false))) {
    await new Promise((resume) => setTimeout(resume, 50));
  }
  await guest.hello({ status: "LEAVING" });
}

/** The seed's example, asking for a set-up and, in the seed's spelling, a reboot. */
export const seedDevice = (uuid: string) => ({
  uuid,
  acc_specs: {
    remote: 0,
    num: 1,
    device_type: "CRYPTO",
    acc_capability: { num: 2, ipsec: { aes: { "3des": 50, num: 1 } } },
  },
  acc_status: { setup_required: true, reboot_equired: true },
});

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null; // the check that asked looks at the text itself
  }
}
