import { z } from "zod";
import { type Hello, Registered } from "../contract/hello.ts";
import type { Operation } from "../contract/operation.ts";
import { firstIssue, parseReport, type Report } from "../contract/peer.ts";
import type { World } from "../world.ts";
import { followOperation } from "./operation.ts";
import { type Peer, type PeerAnswer, PeerError } from "./peer.ts";

/** What one child may cost the tier above it. */
export interface Limits {
  devices: number;
  /** Whether two sources of the child may name one uuid (an agent's may, a driver is one source). */
  bySource: boolean;
  bytes: number;
  /** For one answer, or one list with all its pages. */
  deadlineMs: number;
  /** For a whole discovery of one child. */
  discoveryMs: number;
}

const invalid = (error: unknown, what: string) =>
  new PeerError("invalid", `${what}: ${error instanceof Error ? error.message : error}`);

/** `GET /hardware` of a child; null when it answers that `etag` still holds. Throws PeerError. */
export async function pullReport(
  peer: Peer,
  limits: Limits,
  generation: string | null,
  world: Pick<World, "monotonic">,
): Promise<Report | null> {
  const until = world.monotonic() + limits.deadlineMs;
  // A tag is of visible ASCII without quotes (RFC 9110, 8.8.3): for another word of the peer's no header can be made.
  const tag = generation !== null && /^[\x21\x23-\x7e]*$/.test(generation) ? generation : null;
  const answer = await peer.request({
    path: "/hardware",
    headers: tag === null ? {} : { "if-none-match": `W/"${tag}"` },
    deadlineMs: limits.deadlineMs,
    maxBytes: limits.bytes,
  });
  if (answer.status === 304) {
    if (tag !== null) return null;
    throw new PeerError("invalid", `GET ${peer.endpoint}/hardware: answered 304 to a request without If-None-Match`);
  }
  try {
    return parseReport(await wholeList(peer, limits, { first: answer, left: () => until - world.monotonic() }), limits);
  } catch (error) {
    throw error instanceof PeerError ? error : invalid(error, `GET ${peer.endpoint}/hardware`);
  }
}

const Page = z.looseObject({
  hardware: z.array(z.unknown()),
  generation: z.unknown(),
  next_page_token: z.string().min(1).max(4096),
});

/** The first page with the devices of the pages after it, for a child that pages without being asked to. */
async function wholeList(
  peer: Peer,
  limits: Limits,
  { first, left }: { first: PeerAnswer; left: () => number },
): Promise<unknown> {
  let page = Page.safeParse(first.body);
  if (!page.success) return first.body;
  const { hardware, generation, next_page_token: _, ...rest } = page.data;
  let size = first.size;
  while (page.success) {
    const token = encodeURIComponent(page.data.next_page_token);
    const path = `/hardware?page_token=${token}`;
    // All pages in the time of one answer: whoever asks many peers has few places to wait in.
    const deadlineMs = left();
    if (deadlineMs <= 0)
      throw new PeerError("timeout", `GET ${peer.endpoint}/hardware: no complete list within ${limits.deadlineMs} ms`);
    const answer = await peer.request({ path, deadlineMs, maxBytes: limits.bytes - size });
    size += answer.size;
    page = Page.safeParse(answer.body);
    const next = page.success ? page.data : LastPage.parse(answer.body);
    if (next.generation !== generation) throw new RangeError("the list changed between two of its pages");
    if (next.hardware.length === 0 && page.success) throw new RangeError("expected devices on each page but the last");
    hardware.push(...next.hardware);
    if (hardware.length > limits.devices) throw new RangeError(`expected at most ${limits.devices} devices, got more`);
  }
  return { ...rest, hardware, generation };
}
const LastPage = Page.omit({ next_page_token: true });

/** Says hello upward. Throws PeerError. */
export async function sayHello(peer: Peer, hello: Hello, deadlineMs: number): Promise<Registered> {
  const answer = await peer.request({ method: "POST", path: "/hello", body: hello, deadlineMs, maxBytes: 65_536 });
  const parsed = Registered.safeParse(answer.body);
  if (parsed.success) return parsed.data;
  const { pointer, detail } = firstIssue(parsed.error);
  throw new PeerError("invalid", `POST ${peer.endpoint}/hello: ${pointer}: ${detail}`);
}

const DiscoveryAnswer = z.object({ status: z.string(), operation: z.guid().optional() });

/**
 * Runs a child's discovery to its end and returns the finished operation, or null for a child that knows no operations
 * (the seed has none): it is done when a `GET /hardware` started after this returns is valid. Throws PeerError.
 */
export async function runDiscovery(peer: Peer, limits: Limits, world: World): Promise<Operation | null> {
  const bounds = { deadlineMs: limits.deadlineMs, maxBytes: limits.bytes };
  const answer = await peer.request({ method: "POST", path: "/discovery", body: {}, ...bounds });
  const accepted = DiscoveryAnswer.safeParse(answer.body);
  if (!accepted.success) {
    const { pointer, detail } = firstIssue(accepted.error);
    throw new PeerError("invalid", `POST ${peer.endpoint}/discovery: ${pointer}: ${detail}`);
  }
  const uuid = accepted.data.operation;
  if (uuid === undefined) return null;
  return followOperation(peer, uuid, world, { ...bounds, totalMs: limits.discoveryMs, waitSeconds: 10 });
}
