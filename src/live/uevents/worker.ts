import { type UeventSocket, uevents } from "../../ffi/netlink.ts";
import { busEvent } from "./message.ts";

/**
 * What was heard since the last time, each address once; `lost`: more than the socket could hold. Or that nothing more
 * will be heard: as it was told, or why.
 */
export type Heard = { presence: string[]; other: string[]; lost: boolean } | { ended: string | null };

/** After a batch, the next is left to gather for so long: a storm of events is at most a hundred messages a second. */
const GATHER_MS = 10;
/** So that a storm does not keep this thread from stopping. */
const BATCH = 4_096;

// Blocked in poll(2) until the kernel has something to say: a thread that costs nothing while nothing happens.
declare const self: Worker;
const post = (heard: Heard) => self.postMessage(heard);

self.onmessage = ({ data }: MessageEvent<UeventSocket>) => {
  try {
    listenAt(data);
    post({ ended: null });
  } catch (error) {
    post({ ended: error instanceof Error ? error.message : String(error) });
  }
};

function listenAt(given: UeventSocket): void {
  const socket = uevents(given);
  // Once full, the socket drops all that comes until it is empty and tells of it once: what is lost is known only then.
  let overflowing = false;
  try {
    while (socket.wait()) {
      overflowing = hear(socket, overflowing);
      if (!socket.pause(GATHER_MS)) break;
    }
  } finally {
    socket.close();
  }
}

/** Takes in a batch; whether the socket was full and is not yet empty. */
function hear(socket: ReturnType<typeof uevents>, overflowing: boolean): boolean {
  const presence = new Set<string>();
  const other = new Set<string>();
  let full = overflowing;
  let empty = false;
  for (let count = 0; count < BATCH && !empty; count++) {
    const received = socket.receive();
    if (received === "nothing") empty = true;
    if (received === "lost") full = true;
    if (typeof received === "string") continue;
    const event = busEvent(received);
    if (event) (event.presence ? presence : other).add(event.address);
  }
  const lost = full && empty;
  if (lost || presence.size + other.size > 0) post({ presence: [...presence], other: [...other], lost });
  return full && !empty;
}
