import { z } from "zod";
import { HistoryList, SetupPlanned, type SetupRequest } from "../contract/device/setup.ts";
import { Telemetry } from "../contract/device/telemetry.ts";
import { firstIssue, MAX_DEPTH, nestedDeeper } from "../contract/peer.ts";
import { ACTOR_HEADER } from "../contract/version.ts";
import { type Peer, PeerError } from "./peer.ts";

/** A device of a peer: `uuid` as the peer knows it. */
export interface Subject {
  peer: Peer;
  uuid: string;
  /** For the answer. */
  deadlineMs: number;
}

/** What is said of one device is small. */
const MAX_BYTES = 4 * 2 ** 20;

/** Asks one thing about a device; the answer as received, so that unknown fields survive. Throws PeerError. */
async function ask<T extends z.ZodType>(
  { peer, uuid, deadlineMs }: Subject,
  { topic, schema, ...sending }: { topic: string; schema: T; body?: unknown; headers?: Record<string, string> },
): Promise<z.infer<T>> {
  const method = sending.body === undefined ? "GET" : "POST";
  const path = `/hardware/${uuid}/${topic}`;
  const { body } = await peer.request({ method, path, ...sending, deadlineMs, maxBytes: MAX_BYTES });
  const invalid = (why: string) => new PeerError("invalid", `${method} ${peer.endpoint}${path}: ${why}`);
  if (nestedDeeper(body, MAX_DEPTH)) throw invalid(`nested deeper than ${MAX_DEPTH} levels`);
  const parsed = schema.safeParse(body);
  if (parsed.success) return body as z.infer<T>; // what the schema accepted, which transforms nothing
  const { pointer, detail } = firstIssue(parsed.error);
  throw invalid(`${pointer}: ${detail}`);
}

export const askTelemetry = (subject: Subject) => ask(subject, { topic: "telemetry", schema: Telemetry });

export const askHistory = (subject: Subject) => ask(subject, { topic: "history", schema: HistoryList });

// A header holds ASCII alone, and a name need not be.
const by = (actor: string) => ({ [ACTOR_HEADER]: encodeURIComponent(actor.toWellFormed()) });

export const askPlan = (subject: Subject, request: SetupRequest, actor: string) =>
  ask(subject, { topic: "setup", schema: SetupPlanned, body: { ...request, dry_run: true }, headers: by(actor) });

const Started = z.object({ operation: z.guid() });

/** The peer's operation. */
export const askSetup = async (subject: Subject, request: SetupRequest, actor: string): Promise<string> =>
  (await ask(subject, { topic: "setup", schema: Started, body: request, headers: by(actor) })).operation;
