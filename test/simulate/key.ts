import { createPrivateKey } from "node:crypto";
import { type NodeKey, readNodeKey } from "../../src/auth/node-key.ts";
import type { Dice } from "./dice.ts";

/** A private Ed25519 key as RFC 8410 wraps its 32 bytes. */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** A node's key that follows from the seed. */
export function nodeKey(dice: Dice): Promise<NodeKey> {
  const bytes = new Uint8Array(32);
  dice.fill(bytes);
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, bytes]), format: "der", type: "pkcs8" });
  return readNodeKey(JSON.stringify(key.export({ format: "jwk" })));
}
