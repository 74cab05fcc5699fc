import type { Agent } from "../tiers/agent/agent.ts";
import type { Conductor } from "../tiers/conductor/conductor.ts";
import type { Driver } from "../tiers/driver.ts";
import { createApp, type Mount } from "./app.ts";
import { discoveryRoutes } from "./discovery.ts";
import { changeRoutes, nodeRoutes } from "./fleet.ts";
import { fleetRoutes, hardwareRoutes } from "./hardware.ts";
import { healthRoutes } from "./health.ts";
import { helloRoutes } from "./hello.ts";
import { documentRoutes } from "./reference.ts";

// The three tiers' tables of contents.

export function driverApp(driver: Driver, mount: Mount) {
  const app = createApp(mount);
  discoveryRoutes(app, driver, mount);
  hardwareRoutes(app, driver);
  healthRoutes(app, mount);
  documentRoutes(app, mount);
  return app;
}

export function agentApp(agent: Agent, mount: Mount) {
  const app = createApp(mount);
  helloRoutes(app, agent);
  discoveryRoutes(app, agent, mount);
  hardwareRoutes(app, agent);
  healthRoutes(app, mount);
  documentRoutes(app, mount);
  return app;
}

export function conductorApp(conductor: Conductor, mount: Mount) {
  const app = createApp(mount);
  helloRoutes(app, conductor);
  discoveryRoutes(app, conductor, mount);
  fleetRoutes(app, conductor);
  nodeRoutes(app, conductor);
  changeRoutes(app, conductor);
  healthRoutes(app, mount);
  documentRoutes(app, mount);
  return app;
}
