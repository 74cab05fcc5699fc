import { NodeState } from "../contract/node.ts";
import type { Database } from "../db/database.ts";
import { countDevices, nodesByState, openAlarms, operationsByStatus } from "../db/queries/fleet/counts.ts";
import { countExpected } from "../db/queries/fleet/expected.ts";
import { sourcesSummary } from "../db/queries/sources.ts";
import type { Conductor } from "../tiers/conductor/conductor.ts";
import type { Delivery } from "../tiers/conductor/delivery/delivery.ts";
import { sleep, type World } from "../world.ts";
import { deviceFamilies } from "./devices.ts";
import { type Metrics, perScrape, type Sample } from "./metrics.ts";

/** Seconds of a transaction. */
const WRITE_BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30];

/** The database, with its writes counted. */
export function measuredDatabase(db: Database, metrics: Metrics, world: Pick<World, "monotonic">): Database {
  const durations = metrics.histogram(
    "sinew_database_write_duration_seconds",
    "How long transactions took, the wait for their turn included.",
    WRITE_BUCKETS,
  );
  const errors = metrics.counter("sinew_database_write_errors_total", "Transactions that were not committed.");
  metrics.gauge("sinew_database_up", "Whether the database answers.", [], async () => {
    const up = await db.revision().then(
      () => 1,
      () => 0,
    );
    return [[{}, up]];
  });
  return {
    ...db,
    async write(work) {
      const began = world.monotonic();
      try {
        return await db.write(work);
      } catch (error) {
        errors.inc();
        throw error;
      } finally {
        durations.observe((world.monotonic() - began) / 1000);
      }
    },
  };
}

/** What a conductor knows of its fleet, from its database: the same whichever conductor is asked. */
export function fleetFamilies(
  metrics: Metrics,
  {
    db,
    world,
    conductor,
    alarms,
  }: { db: Database; world: World; conductor: Conductor; alarms: Pick<Delivery, "targets"> },
): void {
  let counted: { at: number; devices: Awaited<ReturnType<typeof countDevices>> } | null = null;
  const facts = perScrape(world, async () => {
    const revision = await db.revision();
    if (counted?.at !== revision)
      counted = { at: revision, devices: await countDevices(db.read, () => sleep(world, 0)) };
    const [nodes, sources, open, operations, expected] = await Promise.all([
      nodesByState(db.read),
      sourcesSummary(db.read),
      openAlarms(db.read),
      operationsByStatus(db.read),
      countExpected(db.read),
    ]);
    return { revision, devices: counted.devices, nodes, sources, open, operations, expected };
  });

  metrics.gauge("sinew_nodes", "Nodes, by state; EXPECTED: to be here and never seen.", ["state"], async () => {
    const { nodes } = await facts();
    return NodeState.options.map((state) => [{ state }, nodes.find((row) => row.state === state)?.count ?? 0]);
  });
  metrics.gauge("sinew_expected_nodes", "Nodes that are to be in the fleet.", [], async () => [
    [{}, (await facts()).expected],
  ]);
  deviceFamilies(metrics, async () => (await facts()).devices);
  metrics.gauge("sinew_sources", "Drivers of all nodes, by how their last report went.", ["status"], async () => {
    const { ok, stale, never } = (await facts()).sources;
    return [
      [{ status: "OK" }, ok],
      [{ status: "STALE" }, stale],
      [{ status: "NEVER" }, never],
    ];
  });
  metrics.gauge("sinew_alarms", "Alarms that are not resolved.", ["kind", "severity", "state"], async () =>
    (await facts()).open.map(({ count, ...labels }) => [labels, count]),
  );
  metrics.gauge("sinew_operations", "Operations that are kept, by status.", ["kind", "status"], async () =>
    (await facts()).operations.map(({ count, ...labels }) => [labels, count]),
  );
  metrics.gauge("sinew_revision", "The newest revision of the fleet.", [], async () => [
    [{}, (await facts()).revision],
  ]);

  const targets = perScrape(world, alarms.targets);
  metrics.gauge("sinew_alarm_deliveries_waiting", "Alarms still to be sent, by target.", ["target"], async () =>
    (await targets()).map(({ target, waiting }) => [{ target }, waiting]),
  );
  metrics.total(
    "sinew_alarm_deliveries_total",
    "Alarms sent by this conductor, by how that ended.",
    ["target", "outcome"],
    async () =>
      (await targets()).flatMap(({ target, delivered, dropped }): Sample[] => [
        [{ target, outcome: "delivered" }, delivered],
        [{ target, outcome: "dropped" }, dropped],
      ]),
  );

  const now = perScrape(world, async () => conductor.figures());
  metrics.gauge("sinew_links", "Links that agents hold to this conductor.", [], async () => [
    [{}, (await now()).links],
  ]);
  metrics.gauge("sinew_nodes_owned", "Nodes that this conductor asks.", [], async () => [[{}, (await now()).owned]]);
  metrics.gauge("sinew_lease_seconds", "The lease that nodes without a link are given.", [], async () => [
    [{}, (await now()).leaseSeconds],
  ]);
  metrics.gauge("sinew_feed_followers", "Streams of changes that are open.", [], async () => [
    [{}, (await now()).followers],
  ]);
  metrics.gauge("sinew_feed_lag_revisions", "Revisions that the slowest of them has yet to be given.", [], async () => {
    const { revision } = await facts();
    const { slowest } = await now();
    return [[{}, slowest === null ? 0 : Math.max(0, revision - slowest)]];
  });
}
