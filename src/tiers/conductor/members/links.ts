import type { Link } from "../../../client/link/call.ts";
import { createPeer, type Peer } from "../../../client/peer.ts";
import { SinewError } from "../../../contract/problem.ts";
import type { World } from "../../../world.ts";

/** What a linked node's address is shown as: it has none that could be called. */
const SHOWN = { kind: "http", base: "http://link" } as const;

/** The links that agents hold to this conductor, by node. */
export interface Links {
  /** Takes a node's link; one that it had is closed: a machine that came back does not wait for its dead connection. */
  hold(node: string, key: string, link: Link): void;
  /** The node at the far end of its link; asking it fails while there is none. */
  peer(node: string): Peer;
  has(node: string): boolean;
  /** The key that a linked node proved; null: it holds no link. */
  key(node: string): string | null;
  close(node: string, reason: string): void;
  closeAll(reason: string): void;
}

/** `closed` hears of nodes whose link has ended, and that have no other. */
export function createLinks(world: World, closed: (node: string) => void): Links {
  const held = new Map<string, { link: Link; key: string }>();
  const close = (node: string, reason: string) => {
    const known = held.get(node);
    held.delete(node);
    known?.link.close(reason);
  };
  return {
    hold(node, key, link) {
      close(node, "the node has connected anew");
      held.set(node, { link, key });
      void link.closed.then(() => {
        if (held.has(node) && held.get(node)?.link !== link) return;
        held.delete(node);
        closed(node);
      });
    },
    peer(node) {
      const fetch: World["fetch"] = async (url, init) => {
        const known = held.get(node);
        if (!known) throw new SinewError("unavailable", "the node holds no link to this conductor");
        return known.link.fetch(url, init);
      };
      return createPeer(SHOWN, { ...world, fetch }, { asker: "conductor" });
    },
    has: (node) => held.has(node),
    key: (node) => held.get(node)?.key ?? null,
    close,
    closeAll(reason) {
      for (const node of [...held.keys()]) close(node, reason);
    },
  };
}
