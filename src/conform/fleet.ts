import { ChangeList } from "../contract/change.ts";
import { NodeList } from "../contract/node.ts";
import { type Check, type Context, shapeOf, Unchecked, UPPER, until, want, wantProblem, wantStatus } from "./check.ts";
import { listed } from "./hardware.ts";
import { deviceOf, isGone } from "./hello.ts";

/** A node's state by GET /nodes, page by page; null: it is not listed. */
async function stateOf({ ask }: Context, id: string): Promise<string | null> {
  let token: string | undefined;
  for (let page = 0; page < 200; page += 1) {
    const answer = await ask("GET", `/nodes?limit=1000${token ? `&page_token=${encodeURIComponent(token)}` : ""}`);
    wantStatus(answer, 200);
    const { nodes, next_page_token } = shapeOf(NodeList, answer);
    const found = nodes.find((node) => node.id === id);
    if (found) return found.state;
    if (next_page_token === undefined) return null;
    token = next_page_token;
  }
  throw new Unchecked("there are more than 200,000 nodes");
}

export const fleetChecks: Check[] = [
  {
    name: "GET /nodes lists a node that said hello as LIVE",
    tiers: ["conductor"],
    seed: false,
    async run(context) {
      await context.guests.full();
      const state = await stateOf(context, context.guests.nodeId);
      want(state === "LIVE", `node ${context.guests.name} LIVE`, String(state));
    },
  },
  {
    name: "GET /changes is a feed in the order of its revisions, and 410 for another epoch",
    tiers: ["conductor"],
    seed: false,
    async run({ ask }) {
      const answer = await ask("GET", "/changes?since=0&limit=1000");
      wantStatus(answer, 200);
      const { changes } = shapeOf(ChangeList, answer);
      const wrong = changes.findIndex(({ revision }, index) => revision <= (changes[index - 1]?.revision ?? 0));
      want(wrong < 0, "revisions that rise", `${changes[wrong]?.revision} after ${changes[wrong - 1]?.revision}`);
      wantProblem(await ask("GET", `/changes?epoch=${crypto.randomUUID()}`), 410, "epoch");
    },
  },
];

/** The last one: it ends what the others began. */
export const leavingChecks: Check[] = [
  {
    name: "a peer that said LEAVING looks alive nowhere",
    tiers: UPPER,
    seed: false,
    async run(context) {
      const { guests, tier } = context;
      const all = await Promise.all([guests.seed(), guests.full()]);
      await guests.leave((guest) => isGone(context, guest));
      for (const guest of all) {
        const look = async () => {
          const device = await deviceOf(context, guest);
          return device === null || device.freshness !== "FRESH" ? true : null;
        };
        await until(`device ${guest.uuid} of a peer that left not FRESH`, context.patience, look, () => "FRESH");
      }
      if (tier === "conductor") {
        for (const id of [guests.nodeId, all[0].registered.uuid]) {
          const state = id === null ? null : await stateOf(context, id);
          want(state === null || state === "LEFT", "LEFT for the nodes that left", String(state));
        }
        return;
      }
      const endpoints = all.map(({ endpoint }) => endpoint);
      const { sources } = await listed(context);
      const alive = (Array.isArray(sources) ? sources : []).filter((source) => {
        const { endpoint, status } = Object(source);
        return status === "OK" && endpoints.some((one) => String(endpoint).includes(one));
      });
      want(
        alive.length === 0,
        "no source OK of a peer that left",
        alive.map(({ endpoint }) => String(endpoint)).join(", "),
      );
    },
  },
];
