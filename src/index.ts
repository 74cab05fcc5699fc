// The library's surface: what `import { createAgent } from "sinew"` gives.
export { IN_PROCESS } from "./auth/caller.ts";
export type { Token, TokenStore } from "./auth/token.ts";
export type { AuthOptions } from "./create/access.ts";
export { type AgentOptions, createAgent } from "./create/agent.ts";
export { type ConductorOptions, createConductor } from "./create/conductor.ts";
export { createDriver, type DriverOptions, type DriverTier } from "./create/driver.ts";
export { openDatabase } from "./db/database.ts";
export type { DeviceCare, DeviceSetup, SetupContext } from "./tiers/device.ts";
export type { DriverDevice } from "./tiers/driver.ts";
export type { RequestEnv, Tier } from "./tiers/tier.ts";
export { type Log, realWorld, type Store, type World } from "./world.ts";
