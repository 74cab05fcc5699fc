import { z } from "zod";
import { FleetHardwareList, Hardware, HardwareList } from "../contract/hardware.ts";
import {
  ALL,
  type Check,
  type Context,
  isUuid,
  shapeOf,
  shown,
  Unchecked,
  Wrong,
  want,
  wantProblem,
  wantStatus,
} from "./check.ts";

const SeedList = z.looseObject({ hardware: z.array(z.unknown()), next_page_token: z.string().optional() });

/** The seed's own example, made a rule; either spelling of what it misprints. */
const SeedHardware = z.looseObject({
  uuid: z.guid(),
  acc_specs: z.looseObject({
    remote: z.int(),
    num: z.int(),
    device_type: z.string().min(1),
    acc_capability: z.record(z.string(), z.unknown()),
  }),
  acc_status: z
    .looseObject({
      setup_required: z.boolean(),
      reboot_required: z.boolean().optional(),
      reboot_equired: z.boolean().optional(),
    })
    .refine((status) => status.reboot_required !== undefined || status.reboot_equired !== undefined, {
      message: "expected reboot_required (or the seed's reboot_equired)",
    }),
});

/** What GET /hardware shows at `path`, as it came. */
export async function listed({ ask }: Context, path = "/hardware"): Promise<z.infer<typeof SeedList>> {
  const answer = await ask("GET", path);
  wantStatus(answer, 200);
  return shapeOf(SeedList, answer);
}

/** `/hardware` with its parameters; `limit` belongs to every page of a walk. */
const query = (parameters: Record<string, string>) => `/hardware?${new URLSearchParams(parameters)}`;

const keyOf = (device: unknown): string => {
  const { node, source, uuid } = Object(device) as { node?: { id?: unknown }; source?: unknown; uuid?: unknown };
  return [node?.id, source, typeof uuid === "string" ? uuid.toLowerCase() : uuid].filter(Boolean).join(" ");
};

/** All keys, page by page; null when the list changed in between. A walk that does not end is Wrong. */
async function walk(context: Context, limit: number): Promise<string[] | null> {
  const keys: string[] = [];
  let token: string | undefined;
  for (let page = 0; page < 2000; page += 1) {
    const answer = await context.ask("GET", query({ limit: String(limit), ...(token ? { page_token: token } : {}) }));
    if (answer.status === 410) return null;
    wantStatus(answer, 200);
    const list = shapeOf(SeedList, answer);
    want(list.hardware.length <= limit, `a page of at most ${limit}`, String(list.hardware.length));
    keys.push(...list.hardware.map(keyOf));
    token = list.next_page_token;
    if (token === undefined) return keys;
  }
  throw new Wrong("a walk of pages to end", "2,000 pages, each with a next_page_token");
}

export const hardwareChecks: Check[] = [
  {
    name: "GET /hardware answers 200 with a JSON object that has the list `hardware`",
    tiers: ALL,
    seed: true,
    run: async (context) => void (await listed(context)),
  },
  {
    name: "GET /hardware shows each device in the seed's shape",
    tiers: ALL,
    seed: true,
    async run(context) {
      const { hardware } = await listed(context);
      const faults = hardware.flatMap((device, index) => {
        const issue = SeedHardware.safeParse(device).error?.issues[0];
        return issue ? [`/hardware/${[index, ...issue.path].map(String).join("/")}: ${issue.message}`] : [];
      });
      const more = faults.length > 5 ? `; and ${faults.length - 5} devices more` : "";
      want(
        faults.length === 0,
        "uuid, acc_specs and acc_status as in the seed",
        `${faults.slice(0, 5).join("; ")}${more}`,
      );
    },
  },
  {
    name: "GET /hardware lists no device twice",
    tiers: ALL,
    seed: true,
    async run(context) {
      const keys = (await listed(context)).hardware.map(keyOf);
      const twice = keys.filter((key, index) => keys.indexOf(key) !== index);
      want(twice.length === 0, "each uuid once for each source", `${twice.slice(0, 3).join(", ")} more than once`);
    },
  },
  {
    name: "GET /hardware follows the schema of its API version",
    tiers: ALL,
    seed: false,
    async run({ ask, tier }) {
      const answer = await ask("GET", "/hardware");
      wantStatus(answer, 200);
      shapeOf<unknown>(tier === "conductor" ? FleetHardwareList : HardwareList, answer);
    },
  },
  {
    name: "GET /hardware tags its answer with its generation, and answers 304 without a body to that tag",
    tiers: ALL,
    seed: false,
    async run({ ask }) {
      let found = "";
      // The list may change between two requests; five times in a row it does not.
      for (let attempt = 0; attempt < 5; attempt += 1) {
        const first = await ask("GET", "/hardware");
        const tag = first.headers.get("etag");
        const { generation } = shapeOf(z.looseObject({ generation: z.string() }), first);
        want(tag === `W/"${generation}"`, `ETag W/"${generation}"`, String(tag));
        const second = await ask("GET", "/hardware", { headers: { "if-none-match": tag } });
        if (second.status === 304 && second.text === "") return;
        found = `${second.status} with ${second.text.length} bytes`;
      }
      throw new Wrong("GET /hardware with If-None-Match to answer 304 without a body", found);
    },
  },
  {
    name: "GET /hardware in pages gives the devices of the whole list, in its order",
    tiers: ALL,
    seed: false,
    async run(context) {
      for (let attempt = 0; attempt < 5; attempt += 1) {
        const whole = await walk(context, 1000);
        const parts = whole && (await walk(context, Math.min(1000, Math.max(1, Math.ceil(whole.length / 7)))));
        const again = parts && (await walk(context, 1000));
        // A list that changed meanwhile proves nothing.
        if (!whole || !parts || shown(whole) !== shown(again)) continue;
        const at = whole.findIndex((key, index) => key !== parts[index]);
        const differ = at >= 0 || whole.length !== parts.length;
        want(!differ, `${whole.length} devices in the same order`, `${parts.length}, other from position ${at}`);
        return;
      }
      throw new Unchecked("the list changed during each of 5 walks");
    },
  },
  {
    name: "GET /hardware refuses a limit outside 1 to 1000, foreign page tokens and unknown parameters with 400",
    tiers: ALL,
    seed: false,
    async run({ ask }) {
      for (const wrong of ["limit=0", "limit=1001", "limit=many", "page_token=%00conform", "conform=1"]) {
        wantProblem(await ask("GET", `/hardware?${wrong}`), 400, "invalid");
      }
    },
  },
  {
    name: "GET /hardware/{uuid} is the device as it is listed",
    tiers: ALL,
    seed: false,
    async run(context) {
      const { hardware } = await listed(context);
      const [device] = hardware.filter((one) => isUuid(Object(one).uuid));
      if (device === undefined) throw new Unchecked("no device is listed");
      const { uuid } = device as { uuid: string };
      const answer = await context.ask("GET", `/hardware/${uuid}`);
      if (answer.status === 409) return wantProblem(answer, 409, "ambiguous_uuid");
      wantStatus(answer, 200);
      const found = shapeOf<{ uuid: string }>(Hardware, answer);
      want(found.uuid.toLowerCase() === uuid.toLowerCase(), `the device ${uuid}`, found.uuid);
    },
  },
  {
    name: "GET /hardware/{uuid} is 404 for a device that is not there, 400 for what is no uuid",
    tiers: ALL,
    seed: false,
    async run({ ask }) {
      wantProblem(await ask("GET", `/hardware/${crypto.randomUUID()}`), 404, "not_found");
      wantProblem(await ask("GET", "/hardware/conform"), 400, "invalid");
    },
  },
];
