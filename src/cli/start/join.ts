import { readFile } from "node:fs/promises";
import { type JoinToken, parseJoinToken } from "../../auth/join-token.ts";
import type { NodeKey } from "../../auth/node-key.ts";
import { parseEndpoint } from "../../client/endpoint.ts";
import { createPeer, PeerError } from "../../client/peer.ts";
import { fetchAuthority, pinnedFetch, verifiedFetch } from "../../client/pin.ts";
import type { Config } from "../../config.ts";
import { hostOf, isHere } from "../../config-values.ts";
import { Joined as JoinedAnswer } from "../../contract/access/join.ts";
import type { World } from "../../world.ts";
import { type Joined, joinedStore, pinOf } from "../credentials/joined.ts";
import { Exit, reasonOf } from "../exit.ts";
import { printable } from "../text.ts";

const DEADLINE_MS = 20_000;

/** Who joins. */
interface Joining {
  id: string;
  name: string;
  key: NodeKey;
  /** What it shows to a conductor that asks for a certificate. */
  client: { cert: string; key: string } | null;
}

/**
 * The conductor that this node belongs to: joined now with `--join`, or earlier. Null: none. A token that is used up or
 * expired does not matter to a node that has joined that conductor already, so a service may keep the flag.
 */
export async function joinedConductor(
  config: Pick<Config, "state" | "join" | "insecure">,
  node: Joining,
  world: World,
): Promise<Joined | null> {
  const store = joinedStore(config.state, world.log);
  const before = await store.load();
  if (config.join === null) return before;
  const token = await readToken(config.join);
  const wanted = new URL(token.url);
  if (wanted.protocol === "http:" && !isHere(token.url) && !config.insecure) {
    throw new Exit(
      1,
      `cannot join ${token.url}: it speaks plain HTTP, where whoever listens in becomes this node; --insecure joins it all the same`,
    );
  }
  try {
    const joined = await join(token, node, world);
    await store.save(joined);
    return joined;
  } catch (error) {
    // Out of reach for now, or a token that is used up or expired; a refusal for another reason is one.
    const harmless = !(error instanceof PeerError) || error.status === null || error.status === 401;
    const same = harmless && before?.url === token.url && before.name === token.name;
    const why = error instanceof Error ? error.message : String(error);
    if (!same) throw new Exit(1, `cannot join ${token.url}: ${printable(why)}`);
    world.log("info", "the join token was of no use, and of no need: this node has joined before", { error: why });
    return before;
  }
}

async function readToken(given: string): Promise<JoinToken> {
  let text = given;
  if (given.startsWith("@")) {
    text = await readFile(given.slice(1), "utf8").catch((error) => {
      throw new Exit(1, `--join: cannot read ${given.slice(1)}: ${reasonOf(error)}`);
    });
  }
  try {
    return parseJoinToken(text.trim());
  } catch (error) {
    throw new Exit(2, `--join: ${reasonOf(error)}`);
  }
}

async function join(token: JoinToken, node: Joining, world: World): Promise<Joined> {
  const { port, protocol } = new URL(token.url);
  const host = hostOf(token.url);
  const ca =
    token.ca === null
      ? null
      : await fetchAuthority({ host, port: Number(port || 443), hash: token.ca, deadlineMs: DEADLINE_MS });
  const joined: Joined = { url: token.url, ca, name: token.name };
  const [id = ""] = token.credential.split(".");
  const proof = await node.key.sign({ sub: node.id, aud: `join ${id}`, nonce: "join", boot: "join" });
  const fetch = protocol === "http:" ? world.fetch : fetchOf(joined, node, world);
  const peer = createPeer(
    parseEndpoint(token.url),
    { ...world, fetch },
    { authorize: async () => `Bearer ${token.credential}` },
  );
  const answer = await peer.request({
    method: "POST",
    path: "/join",
    body: { node: { id: node.id, name: node.name }, proof },
    deadlineMs: DEADLINE_MS,
    maxBytes: 65_536,
  });
  const parsed = JoinedAnswer.safeParse(answer.body);
  if (!parsed.success) throw new PeerError("invalid", `${token.url} answered something else than JOINED`);
  world.log("info", "joined", { conductor: token.url, node: node.id, key: parsed.data.key });
  return joined;
}

/** Only the conductor that was joined is talked to: by its CA, or by the system's where its certificate is of one of those. */
const fetchOf = ({ url, ca, name }: Joined, { client }: Joining, world: World): World["fetch"] =>
  ca === null
    ? verifiedFetch(world.fetch, client ?? {})
    : pinnedFetch(world.fetch, { ...pinOf({ url, ca, name }), ...client });
