import type { CallerRole } from "../auth/caller.ts";
import type { Desk } from "../auth/desk.ts";
import type { Agent } from "../tiers/agent/agent.ts";
import type { Conductor } from "../tiers/conductor/conductor.ts";
import type { Expectation } from "../tiers/conductor/expected/nodes.ts";
import type { Driver } from "../tiers/driver.ts";
import { auditRoutes } from "./access/audit.ts";
import { checkGuards } from "./access/guard.ts";
import { joinRoutes } from "./access/join.ts";
import { tokenRoutes } from "./access/tokens.ts";
import { createApp, type Mount } from "./app.ts";
import { careRoutes } from "./device/care.ts";
import { expectedRoutes } from "./device/expected.ts";
import { discoveryRoutes } from "./discovery.ts";
import { type AlarmSource, alarmRoutes } from "./fleet/alarms.ts";
import { conductorRoutes } from "./fleet/conductors.ts";
import { expectedNodeRoutes } from "./fleet/expected.ts";
import { givenRoutes } from "./fleet/given.ts";
import { nodeRoutes } from "./fleet/nodes.ts";
import { windowRoutes } from "./fleet/windows.ts";
import { changeRoutes } from "./fleet.ts";
import { fleetRoutes, hardwareRoutes } from "./hardware.ts";
import { healthRoutes } from "./health.ts";
import { helloRoutes } from "./hello.ts";
import { metricRoutes } from "./metrics.ts";
import { documentRoutes } from "./reference.ts";

/** Who may say hello to a conductor. */
export const GREETERS: readonly CallerRole[] = ["agent", "join", "admin"];

/** Bytes of a list of a fleet's nodes: 100,000 of them, each with its id and some labels. */
const MAX_LIST = 32 * 1024 * 1024;

// The three tiers' tables of contents.

export function driverApp(driver: Driver, mount: Mount) {
  const app = createApp(mount);
  discoveryRoutes(app, driver, mount);
  hardwareRoutes(app, driver);
  careRoutes(app, driver, mount);
  healthRoutes(app, mount);
  metricRoutes(app, mount);
  documentRoutes(app, mount);
  checkGuards(app);
  return app;
}

export function agentApp(agent: Agent, mount: Mount, desk: Desk) {
  const app = createApp(mount);
  helloRoutes(app, agent, mount, ["driver", "admin"]);
  discoveryRoutes(app, agent, mount);
  hardwareRoutes(app, agent);
  careRoutes(app, agent, mount);
  expectedRoutes(app, agent);
  tokenRoutes(app, desk);
  auditRoutes(app, mount.audit);
  healthRoutes(app, mount);
  metricRoutes(app, mount);
  documentRoutes(app, mount);
  checkGuards(app);
  return app;
}

export function conductorApp(
  conductor: Conductor,
  alarms: AlarmSource & { expected: Expectation },
  mount: Mount,
  desk: Desk,
) {
  const app = createApp(mount, { "PUT /nodes/expected": MAX_LIST });
  helloRoutes(app, conductor, mount, GREETERS);
  discoveryRoutes(app, conductor, mount);
  fleetRoutes(app, conductor);
  careRoutes(app, conductor, mount);
  changeRoutes(app, conductor, mount);
  conductorRoutes(app, conductor);
  alarmRoutes(app, alarms);
  windowRoutes(app, alarms);
  // Before the routes of one node: a node that is called so is asked for by its id.
  expectedNodeRoutes(app, alarms.expected);
  nodeRoutes(app, conductor);
  givenRoutes(app, conductor);
  joinRoutes(app, conductor);
  tokenRoutes(app, desk);
  auditRoutes(app, mount.audit);
  healthRoutes(app, mount);
  metricRoutes(app, mount);
  documentRoutes(app, mount);
  checkGuards(app);
  return app;
}
