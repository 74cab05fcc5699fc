import { z } from "zod";
import { NodeState } from "../node.ts";
import { text } from "../text.ts";
import { Labels } from "./labels.ts";

/** Which nodes a conductor's `POST /discovery` is about: those of which all that is named here is true. */
export const DiscoveryFilter = z
  .strictObject({
    node: text(253).optional().meta({ description: "A node's id or name" }),
    labels: Labels.optional().meta({ description: "Labels that it has, with these values" }),
    state: NodeState.optional(),
  })
  .meta({ id: "DiscoveryFilter" });
export type DiscoveryFilter = z.infer<typeof DiscoveryFilter>;
