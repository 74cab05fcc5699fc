import { columns } from "./columns-postgres.ts";
import { defineTables } from "./tables.ts";

const tables = defineTables(columns);

// Exported one by one because drizzle-kit looks for tables among a module's exports.
export const { nodes, sources, hardware, changes, operations, tokens, audit, meta, conductors, requests } = tables;
export const { alarms, windows, deliveries, given } = tables;
