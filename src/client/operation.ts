import { Operation } from "../contract/operation.ts";
import { firstIssue } from "../contract/peer.ts";
import { sleep, type World } from "../world.ts";
import { type Peer, PeerError } from "./peer.ts";

/** A peer that does not wait would be asked in a tight loop. */
const PAUSE_MS = 100;
/** Between two tries to reach a peer that has fallen silent. */
const RETRY_MS = 1_000;

interface Following {
  /** For one answer, beside what the peer is asked to wait. */
  deadlineMs: number;
  maxBytes: number;
  /** For the whole operation. */
  totalMs: number;
  /** The longest `Prefer: wait`: how often its progress is heard. */
  waitSeconds: number;
  /** How long the peer may be out of reach meanwhile. Default: not at all. */
  silenceMs?: number;
  onProgress?: (operation: Operation) => void;
}

/** Follows an operation of a peer to its end. Throws PeerError. */
export async function followOperation(
  peer: Peer,
  uuid: string,
  world: Pick<World, "monotonic" | "timer">,
  { deadlineMs, maxBytes, totalMs, waitSeconds, silenceMs = 0, onProgress = () => {} }: Following,
): Promise<Operation> {
  const what = `${peer.endpoint}/operations/${uuid}`;
  const until = world.monotonic() + totalMs;
  let heard = world.monotonic();
  for (;;) {
    const left = until - world.monotonic();
    if (left <= 0) throw new PeerError("timeout", `${what}: not finished after ${totalMs} ms`);
    const seconds = Math.max(1, Math.min(waitSeconds, Math.floor(left / 1000)));
    try {
      const { body } = await peer.request({
        path: `/operations/${uuid}`,
        headers: { prefer: `wait=${seconds}` },
        maxBytes,
        deadlineMs: seconds * 1000 + deadlineMs,
      });
      const operation = Operation.safeParse(body);
      if (!operation.success) {
        const { pointer, detail } = firstIssue(operation.error);
        throw new PeerError("invalid", `GET ${what}: ${pointer}: ${detail}`);
      }
      if (operation.data.status !== "IN-PROGRESS") return operation.data;
      heard = world.monotonic();
      onProgress(operation.data);
      await sleep(world, PAUSE_MS);
    } catch (error) {
      const silent = error instanceof PeerError && (error.code === "unreachable" || error.code === "timeout");
      if (!silent || world.monotonic() - heard >= silenceMs) throw error;
      await sleep(world, RETRY_MS);
    }
  }
}
