import { Change } from "../../src/contract/change.ts";
import { eventsOf } from "./events.ts";

/** What somebody holds who reads the feed and nothing else, and goes on from the last event whenever the stream ends. */
export interface Follower {
  /** Devices as the lists show them, by node, source and uuid. */
  devices: Map<string, Change["hardware"]>;
  /** States by node id. */
  states: Map<string, string>;
  /** In the order in which they came. */
  revisions: number[];
  stop(): Promise<void>;
}

export function follow(open: (init: RequestInit) => Promise<Response>): Follower {
  const abort = new AbortController();
  const held: Omit<Follower, "stop"> = { devices: new Map(), states: new Map(), revisions: [] };

  function take(change: Change) {
    held.revisions.push(change.revision);
    const key = `${change.node.id} ${change.source} ${change.uuid}`;
    if (change.kind === "state") held.states.set(change.node.id, change.state ?? "");
    else if (change.kind === "forgotten") held.devices.delete(key);
    else if (change.hardware) held.devices.set(key, change.hardware);
  }

  async function read() {
    while (!abort.signal.aborted) {
      const last = held.revisions.at(-1);
      const headers = { accept: "text/event-stream", ...(last === undefined ? {} : { "last-event-id": `${last}` }) };
      try {
        const answer = await open({ headers, signal: abort.signal });
        if (answer.status !== 200 || !answer.body) throw new Error(`answered ${answer.status}`);
        for await (const { id, data } of eventsOf(answer.body)) if (id !== null) take(Change.parse(JSON.parse(data)));
      } catch {
        // It is down: whoever follows tries again.
        await Bun.sleep(50);
      }
    }
  }
  const reading = read();

  return {
    ...held,
    async stop() {
      abort.abort();
      await reading;
    },
  };
}
