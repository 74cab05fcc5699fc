import { Registered } from "../contract/hello.ts";
import {
  type Check,
  type Context,
  shapeOf,
  shown,
  Unchecked,
  UPPER,
  until,
  want,
  wantProblem,
  wantStatus,
} from "./check.ts";
import { bytes } from "./client.ts";
import { type Guest, seedDevice } from "./guests.ts";
import { listed } from "./hardware.ts";

/** A guest's device as the system lists it; null: it is not listed. A conductor's page may not hold it, so it is narrowed. */
export async function deviceOf(
  context: Context,
  guest: Guest,
  uuid = guest.uuid,
): Promise<Record<string, unknown> | null> {
  const narrow = context.tier === "conductor" && context.extended && guest.registered.uuid;
  const { hardware } = await listed(context, narrow ? `/hardware?node=${guest.registered.uuid}` : "/hardware");
  const found = hardware.find((device) => String(Object(device).uuid).toLowerCase() === uuid);
  return found === undefined ? null : Object(found);
}

export async function isGone(context: Context, guest: Guest, uuid = guest.uuid): Promise<boolean> {
  const device = await deviceOf(context, guest, uuid);
  return device === null || device.freshness === "GONE";
}

/** Waits until the device is listed and `good`. */
async function appears(
  context: Context,
  guest: Guest,
  expected: string,
  { uuid = guest.uuid, seconds = context.patience, good = (_: Record<string, unknown>): boolean => true } = {},
): Promise<Record<string, unknown>> {
  let last: Record<string, unknown> | null = null;
  return until(
    expected,
    seconds,
    async () => {
      last = await deviceOf(context, guest, uuid);
      return last && good(last) ? last : null;
    },
    () => (last ? shown({ freshness: last.freshness, acc_status: last.acc_status }) : "it is not in GET /hardware"),
  );
}

const asked = (guest: Guest, what: string) => guest.asked.filter((one) => one === what).length;

export const helloChecks: Check[] = [
  {
    name: "POST /hello takes the seed's body",
    tiers: UPPER,
    seed: true,
    run: async ({ guests }) => void (await guests.seed()),
  },
  {
    name: "a peer that said the seed's hello is asked GET /hardware at its endpoint",
    tiers: UPPER,
    seed: true,
    async run({ guests, patience }) {
      const guest = await guests.seed();
      const look = () => asked(guest, "GET /hardware") || null;
      await until(`GET /hardware at ${guest.endpoint}`, patience, look, () => shown(guest.asked));
    },
  },
  {
    name: "a seed peer's device is in GET /hardware as it was sent",
    tiers: UPPER,
    seed: true,
    async run(context) {
      const guest = await context.guests.seed();
      const { acc_specs, acc_status } = await appears(context, guest, `device ${guest.uuid} in GET /hardware`);
      const specs = Object(acc_specs);
      const sent = seedDevice(guest.uuid).acc_specs;
      want(specs.device_type === sent.device_type, `device_type ${sent.device_type}`, shown(specs.device_type));
      const capability = shown(specs.acc_capability);
      want(capability === shown(sent.acc_capability), `acc_capability ${shown(sent.acc_capability)}`, capability);
      want(Object(acc_status).setup_required === true, "setup_required true", shown(acc_status));
    },
  },
  {
    name: "POST /discovery reaches a peer that said the seed's hello",
    tiers: UPPER,
    seed: true,
    async run({ guests, ask, patience }) {
      const guest = await guests.seed();
      wantStatus(await ask("POST", "/discovery"), 200, 201, 202);
      const look = () => asked(guest, "POST /discovery") || null;
      await until(`POST /discovery at ${guest.endpoint}`, patience, look, () => shown(guest.asked.slice(-5)));
    },
  },
  {
    name: "a seed peer's misprint `reboot_equired` is read as reboot_required",
    tiers: UPPER,
    seed: false,
    async run(context) {
      const device = await appears(context, await context.guests.seed(), "the seed peer's device");
      const status = Object(device.acc_status);
      want(
        status.reboot_required === true && status.ready === false,
        "reboot_required true, ready false",
        shown(status),
      );
    },
  },
  {
    name: "a seed peer is polled: what it shows is seen without another hello",
    tiers: UPPER,
    seed: false,
    async run(context) {
      const guest = await context.guests.seed();
      if (asked(guest, "GET /hardware") === 0) throw new Unchecked("it was never asked at all");
      guest.shown = {
        hardware: [{ ...seedDevice(guest.uuid), acc_status: { setup_required: false, reboot_equired: false } }],
      };
      const seconds = Math.min(65, guest.registered.ttlSeconds + context.patience);
      const good = (device: Record<string, unknown>) => Object(device.acc_status).setup_required === false;
      await appears(context, guest, "setup_required false", { seconds, good });
    },
  },
  {
    name: "POST /hello with versions that nobody here speaks is 409",
    tiers: UPPER,
    seed: false,
    async run({ ask, guests }) {
      const node = { id: guests.nodeId, name: guests.name };
      const body = {
        status: "READY",
        endpoint: "http://127.0.0.1:9",
        name: guests.name,
        node,
        api: { min: "999.0", max: "999.1" },
      };
      wantProblem(await ask("POST", "/hello", { body }), 409, "api_version");
    },
  },
  {
    name: "POST /hello answers REGISTERED with a uuid, the version and a lease, and the same uuid to a renewal",
    tiers: UPPER,
    seed: false,
    async run({ guests }) {
      const guest = await guests.full();
      const [first, second] = [await guest.hello(), await guest.hello()];
      wantStatus(first, 200);
      const { uuid, lease } = shapeOf(Registered, first);
      want(lease.ttl_seconds > 0, "a lease of more than 0 seconds", String(lease.ttl_seconds));
      const again = shapeOf(Registered, second).uuid;
      want(again === uuid, `uuid ${uuid} again`, again);
    },
  },
  {
    name: "POST /hello refuses another status, no endpoint, no body and no JSON with 400",
    tiers: UPPER,
    seed: false,
    async run({ ask }) {
      const endpoint = "http://127.0.0.1:9";
      for (const body of [
        { status: "CONFORM", endpoint },
        { status: "READY" },
        { status: "READY", endpoint: "file:///" },
      ]) {
        wantProblem(await ask("POST", "/hello", { body }), 400, "invalid");
      }
      const headers = { "content-type": "application/json" };
      for (const text of ["", "{", "[]"]) {
        wantProblem(await ask("POST", "/hello", { body: bytes(text), headers }), 400, "invalid");
      }
    },
  },
  {
    name: "a peer that names a new generation is asked at once, and its devices are listed",
    tiers: UPPER,
    seed: false,
    async run(context) {
      const guest = await context.guests.full();
      await appears(context, guest, "the device of generation 1");
      const uuid = crypto.randomUUID();
      guest.shown = { generation: "2", hardware: [seedDevice(guest.uuid), seedDevice(uuid)] };
      await guest.hello();
      await appears(context, guest, "the second device, of generation 2", { uuid });
      guest.shown = { generation: "3", hardware: [seedDevice(guest.uuid)] };
      await guest.hello();
      const gone = async () => (await isGone(context, guest, uuid)) || null;
      await until(
        "a device of generation 2 that is not in 3 to be gone",
        context.patience,
        gone,
        () => "it is listed as before",
      );
    },
  },
  {
    name: "a peer that answers 500 keeps its devices, as STALE",
    tiers: UPPER,
    seed: false,
    async run(context) {
      const guest = await context.guests.full();
      const { hardware } = guest.shown;
      guest.shown = { generation: "4", hardware, status: 500 };
      await guest.hello();
      await appears(context, guest, "its device STALE", { good: ({ freshness }) => freshness === "STALE" });
      guest.shown = { generation: "5", hardware };
      await guest.hello();
      await appears(context, guest, "its device FRESH again", { good: ({ freshness }) => freshness === "FRESH" });
    },
  },
];
