// The library's surface: what `import { createAgent } from "sinew"` gives.
export {
  type AgentOptions,
  type ConductorOptions,
  createAgent,
  createConductor,
  createDriver,
  type DriverOptions,
  type DriverTier,
} from "./create.ts";
export { openDatabase } from "./db/database.ts";
export type { DriverDevice } from "./tiers/driver.ts";
export type { RequestEnv, Tier } from "./tiers/tier.ts";
export { type Log, realWorld, type Store, type World } from "./world.ts";
