import { z } from "zod";

/** One of the conductors that serve a database. */
const Conductor = z
  .object({
    id: z.guid(),
    name: z.string(),
    endpoint: z.string().nullable().meta({ description: "What it announces; null: it listens for this process alone" }),
    version: z.string().meta({ description: "Of the program" }),
    started_at: z.iso.datetime(),
    state: z.enum(["ALIVE", "SILENT", "LEAVING"]).meta({
      description: "As the conductor that answers sees it. One that stays SILENT for its lease is one no more",
    }),
    nodes: z.int().min(0).meta({ description: "How many nodes it asks, and says of when they are LOST" }),
  })
  .meta({ id: "Conductor" });

export const ConductorList = z
  .object({ conductors: z.array(Conductor), revision: z.int().min(0) })
  .meta({ id: "ConductorList" });
export type ConductorList = z.infer<typeof ConductorList>;
