import { createDialer } from "../client/dial.ts";
import type { Database } from "../db/database.ts";
import { type Alarms, createAlarms } from "../tiers/conductor/alarms/alarms.ts";
import { createEvaluator } from "../tiers/conductor/alarms/evaluator.ts";
import { kindsOf } from "../tiers/conductor/alarms/kinds.ts";
import { alertmanager } from "../tiers/conductor/delivery/alertmanager.ts";
import { createDelivery, type Delivery } from "../tiers/conductor/delivery/delivery.ts";
import { webhook, webhookKey } from "../tiers/conductor/delivery/webhook.ts";
import { createExpectation, type Expectation } from "../tiers/conductor/expected/nodes.ts";
import type { DialOptions } from "../tiers/greeting.ts";
import type { World } from "../world.ts";

/** When trouble is an alarm, and who is notified. */
export interface AlarmOptions {
  /** How long trouble lasts before it fires, and is over before it is resolved, in milliseconds; not of a lost agent. Default 30,000. */
  holdMs?: number;
  /** How long an expected node may stay away before that fires. Default 600,000. */
  neverSeenMs?: number;
  /** URLs of receivers of CloudEvents. */
  webhooks?: readonly string[];
  /** What webhooks are signed with: `whsec_` and base64, or any text. */
  webhookKey?: string;
  /** URLs of Alertmanagers, without /api/v2. */
  alertmanagers?: readonly string[];
}

/** A conductor's alarms: kept true while it runs, sent to who is notified, and shown to people. */
export interface AlarmDesk extends Alarms, Pick<Delivery, "targets"> {
  expected: Expectation;
  start(): void;
  stop(): Promise<void>;
}

export function createAlarmDesk(
  options: AlarmOptions,
  {
    db,
    world,
    owner,
    isGone,
    dial = [],
    endpoint,
    listener,
  }: {
    db: Database;
    world: World;
    /** This conductor, by a name that it has after a restart, too. */
    owner: string;
    isGone(owner: string): Promise<boolean>;
    endpoint: string | null;
  } & Pick<DialOptions, "dial" | "listener">,
): AlarmDesk {
  const { webhooks = [], alertmanagers = [] } = options;
  if (webhooks.length > 0 && !options.webhookKey)
    throw new TypeError("expected a webhookKey beside webhooks, got none");
  const own = [endpoint, listener].filter((one) => typeof one === "string");
  const dialer = createDialer({ allow: dial, own }, world);
  const key = webhookKey(options.webhookKey ?? "");
  const generator = endpoint !== null && /^https?:/.test(endpoint) ? endpoint : null;
  const targets = [
    ...webhooks.map((url) => webhook(url, { key, dialer, world })),
    ...alertmanagers.map((url) => alertmanager(url, { generator, dialer, world })),
  ];
  const evaluator = createEvaluator({ db, world, kinds: kindsOf(options), targets: targets.map(({ name }) => name) });
  const delivery = createDelivery({ db, world, targets, owner, isGone });
  return {
    ...createAlarms({ db, world }),
    targets: delivery.targets,
    expected: createExpectation({ db, world }),
    start() {
      evaluator.start();
      delivery.start();
    },
    async stop() {
      await Promise.all([evaluator.stop(), delivery.stop()]);
    },
  };
}
