import type { UeventSocket } from "../../ffi/netlink.ts";
import type { Heard } from "./worker.ts";

export interface Listener {
  heard(what: Exclude<Heard, { ended: unknown }>): void;
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
  const over = (why: string) => {
    if (ended) return;
    end();
    failed(why);
  };
  worker.onmessage = ({ data }: MessageEvent<Heard>) => {
    if (!("ended" in data)) {
      if (!ended) heard(data);
    } else if (data.ended === null) end();
    else over(data.ended);
  };
  worker.onerror = ({ message }) => over(message);
  worker.postMessage(socket);
  // A process that has nothing else to do ends.
  worker.unref();
  return () => {
    if (ended) return;
    ended = true;
    stop(socket);
  };
}
