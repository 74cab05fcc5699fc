import { isVf } from "./claim.ts";
import { identify } from "./ids.ts";
import type { Kind } from "./kind.ts";
import { classify } from "./registry.ts";

/** Every function that no kind claims, listed only on request: bridges, controllers, the audio of a GPU. */
export const generic: Kind = {
  name: "generic",
  deviceType: "GENERIC",
  claim(fn, siblings = []) {
    if (classify(fn, siblings)) return null;
    // A function beside one that is a card belongs to that card.
    const onCard = siblings.some((other) => other.address !== fn.address && classify(other) !== null);
    return { name: identify(fn)?.name ?? null, num: isVf(fn) || onCard ? 0 : 1, kernelDrivers: [] };
  },
};
