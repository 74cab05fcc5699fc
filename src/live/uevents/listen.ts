import type { UeventSocket } from "../../ffi/netlink.ts";
import type { Heard } from "./worker.ts";

export interface Listener {
  heard(what: Exclude<Heard, { stopped: true }>): void;
  /** Nothing will be heard any more. */
  failed(why: string): void;
}

/** Listens at the socket in a Worker of its own. The result ends that: the Worker closes the socket. */
export function listen(
  socket: UeventSocket,
  stop: (socket: UeventSocket) => void,
  { heard, failed }: Listener,
): () => void {
  const worker = new Worker(new URL("./worker.ts", import.meta.url).href, { smol: true });
  let ended = false;
  const end = () => {
    ended = true;
    worker.terminate();
  };
  worker.onmessage = ({ data }: MessageEvent<Heard>) => {
    if ("stopped" in data) end();
    else if (!ended) heard(data);
  };
  worker.onerror = ({ message }) => {
    if (ended) return;
    end();
    failed(message);
  };
  worker.postMessage(socket);
  // A process that has nothing else to do ends.
  worker.unref();
  return () => {
    if (ended) return;
    ended = true;
    stop(socket);
  };
}
