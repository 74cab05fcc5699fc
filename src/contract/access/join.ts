import { z } from "zod";

/** A machine becomes a node of the fleet: what `sinew start --join` sends, once. */
export const Join = z
  .object({
    node: z.object({
      id: z.guid(),
      name: z
        .string()
        .min(1)
        .max(253)
        .regex(/^[\w.:@/-]+$/, "letters, digits and . _ : @ / - only"),
    }),
    proof: z.string().max(4096).meta({
      description:
        'JWS (EdDSA, the public key in its header as jwk) of {sub: the node\'s id, aud: "join " and the join token\'s id, nonce: "join", boot}',
    }),
  })
  .meta({ id: "Join" });
export type Join = z.infer<typeof Join>;

export const Joined = z
  .object({
    status: z.literal("JOINED"),
    conductor: z.string().meta({ description: "The conductor's id, which later proofs are made for" }),
    key: z.string().meta({ description: "Thumbprint (RFC 7638) of the key that the node is known by from now on" }),
  })
  .meta({ id: "Joined" });
export type Joined = z.infer<typeof Joined>;
