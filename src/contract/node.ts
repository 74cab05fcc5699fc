import { z } from "zod";
import { Condition } from "./condition.ts";
import { Cordon, Said } from "./fleet/given.ts";

export const NodeState = z
  .enum(["LIVE", "LATE", "LOST", "LEFT", "EXPECTED", "CONFLICT", "INCOMPATIBLE"])
  .meta({ id: "NodeState", description: "LATE: silent for one lease. LOST: for two. LEFT: said LEAVING" });
export type NodeState = z.infer<typeof NodeState>;

export const Node = z
  .object({
    id: z.guid(),
    name: z.string(),
    state: NodeState,
    labels: z.record(z.string(), z.string()),
    endpoint: z.string().nullable(),
    last_seen: z.iso.datetime({ offset: true }).nullable(),
    api: z.object({ min: z.string(), max: z.string() }).nullable().meta({ description: "null: a seed peer, polled" }),
    generation: z.string().nullable().meta({ description: "The generation of the last report taken in" }),
    boot_id: z.string().nullable(),
    first_seen: z.iso.datetime({ offset: true }),
    key: z
      .string()
      .nullable()
      .optional()
      .meta({ description: "Thumbprint (RFC 7638) of the key it joined with; null: it never joined" }),
    conditions: z.array(Condition).optional().meta({
      description:
        "What is said of the node itself: by this conductor, such as that two machines claim it, and by the node, such as hardware that is missing",
    }),
    cordoned: Cordon.nullable().optional().meta({ description: "Out of service by an operator; null: in service" }),
    said: Said.nullable()
      .optional()
      .meta({ description: "What the node says itself, where an operator gave another name or labels" }),
  })
  .meta({ id: "Node" });
export type Node = z.infer<typeof Node>;

export const NodeList = z
  .object({ nodes: z.array(Node), revision: z.int(), next_page_token: z.string().optional() })
  .meta({ id: "NodeList" });
