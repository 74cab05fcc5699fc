import { type Peer, PeerError } from "../../src/client/peer.ts";
import type { Operation } from "../../src/contract/operation.ts";
import type { Acknowledged } from "../truth/acknowledged.ts";
import type { Dice } from "./dice.ts";
import type { Stage } from "./process.ts";
import { ask, Client } from "./watch.ts";

/** One who has the fleet discovered, and keeps the receipts. */
export class Operator {
  readonly client: Client;
  /** The operations that were acknowledged, and how each was last seen. */
  readonly operations = new Map<string, Operation["status"]>();
  readonly #acknowledged: Acknowledged;
  readonly #stage: Stage;
  readonly #dice: Dice;

  constructor(stage: Stage, conductors: () => string[], acknowledged: Acknowledged) {
    this.client = new Client("operator", 200, stage, conductors);
    this.#acknowledged = acknowledged;
    this.#stage = stage;
    this.#dice = stage.dice.fork("operations");
    this.client.begin();
  }

  get peer(): Peer {
    const { run } = this.client.process;
    if (!run) throw new Error("the operator is never killed");
    return this.client.peer(run);
  }

  discover(): void {
    void this.#discover().catch((error) => {
      if (!(error instanceof PeerError)) throw error;
    });
  }

  async #discover(): Promise<void> {
    const { run } = this.client.process;
    await run?.sleep(this.#dice.next() * 20_000);
    const answer = await this.peer.request({
      method: "POST",
      path: "/discovery",
      body: {},
      deadlineMs: 10_000,
      maxBytes: 65_536,
    });
    const { operation } = answer.body as { operation: string };
    this.#acknowledged.acknowledge(`operation ${operation}`, this.#stage.clock.now);
    if (!this.operations.has(operation)) this.operations.set(operation, "IN-PROGRESS");
  }

  /** After quiet: each receipt is good, and what it is for has ended. */
  async judge(): Promise<string[]> {
    const found: string[] = [];
    for (const [uuid, known] of this.operations) {
      if (known !== "IN-PROGRESS") continue;
      try {
        const { status } = await ask<Operation>(this.peer, `/operations/${uuid}`);
        this.operations.set(uuid, status);
        if (status === "IN-PROGRESS") found.push(`after quiet: operation ${uuid} is still IN-PROGRESS`);
      } catch (error) {
        if (!(error instanceof PeerError)) throw error;
        found.push(`after quiet: operation ${uuid} was acknowledged, and asking for it fails: ${error.message}`);
      }
    }
    return found;
  }
}
