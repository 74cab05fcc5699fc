import { type UeventSocket, uevents } from "../../ffi/netlink.ts";
import { busEvent } from "./message.ts";

/** What was heard since the last time, each address once; `lost`: more than the socket could hold. */
export type Heard = { presence: string[]; other: string[]; lost: boolean } | { stopped: true };

/** After a batch, the next is left to gather for so long: a storm of events is at most a hundred messages a second. */
const GATHER_MS = 10;
/** So that a storm does not keep this thread from stopping. */
const BATCH = 4_096;

// Blocked in poll(2) until the kernel has something to say: a thread that costs nothing while nothing happens.
declare const self: Worker;
const post = (heard: Heard) => self.postMessage(heard);

self.onmessage = ({ data }: MessageEvent<UeventSocket>) => {
  const socket = uevents(data);
  while (socket.wait()) {
    hear(socket);
    if (!socket.pause(GATHER_MS)) break;
  }
  socket.close();
  post({ stopped: true });
};

function hear(socket: ReturnType<typeof uevents>): void {
  const presence = new Set<string>();
  const other = new Set<string>();
  let lost = false;
  for (let count = 0; count < BATCH; count++) {
    const received = socket.receive();
    if (received === "nothing") break;
    if (received === "lost") lost = true;
    if (typeof received === "string") continue;
    const event = busEvent(received);
    if (event) (event.presence ? presence : other).add(event.address);
  }
  if (lost || presence.size + other.size > 0) post({ presence: [...presence], other: [...other], lost });
}
