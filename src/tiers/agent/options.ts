import type { Peer } from "../../client/peer.ts";
import type { Limits } from "../../client/wrangle.ts";
import type { Hardware } from "../../contract/hardware.ts";
import type { Store, World } from "../../world.ts";
import type { DialOptions } from "../greeting.ts";

export interface BuiltInDriver {
  name: string;
  type: string;
  peer: Peer;
  /** Its first scan. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What the conductor above may do about setup: nothing, see plans, or have them carried out. */
export type RemoteSetup = "off" | "plan" | "apply";

export interface AgentOptions extends DialOptions {
  node: Hardware["node"];
  labels?: Record<string, string>;
  drivers: BuiltInDriver[];
  world: World;
  store: Store;
  /** Where this agent answers, as announced upward. */
  endpoint: string | null;
  conductor?: Peer | undefined;
  leaseSeconds?: number | null;
  bootId?: string;
  limits?: Partial<Limits>;
  /** Default: plan. */
  remoteSetup?: RemoteSetup | undefined;
}
