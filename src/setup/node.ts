import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Hardware } from "../contract/hardware.ts";
import type { DriverSetup, Setup, SetupOptions } from "./setup.ts";

/** The setup of a node as its drivers hold it. */
export interface NodeSetup {
  /** One driver's part; `refresh` is called when something may have been written. */
  forDriver(options: { refresh(): void }): DriverSetup;
  /** Deals with setups that an earlier run did not live to end. */
  recover(): Promise<void>;
  /** Says in the log which rules are about no device of these drivers. */
  reportUnmatched(): Promise<void>;
}

/**
 * Loads what sets devices up when it is first of use: at once where there are rules, and for a node without any only
 * when somebody looks at a history, takes something back, or an earlier run was cut off.
 */
export function nodeSetup(options: SetupOptions): NodeSetup {
  const { rules, world, state } = options;
  const wanted = rules.length > 0;
  let loading: Promise<Setup> | null = null;
  const load = () => {
    loading ??= import("./setup.ts").then(({ createSetup }) => createSetup(options));
    return loading;
  };

  function forDriver(given: { refresh(): void }): DriverSetup {
    let list: Hardware[] = [];
    let made: Promise<DriverSetup> | null = null;
    const own = () => {
      made ??= load().then((setup) => setup.forDriver(given));
      return made;
    };
    /** Without rules it is told only now what there is. */
    const informed = async () => {
      const driver = await own();
      if (!wanted) await driver.judge(list);
      return driver;
    };
    return {
      async judge(hardware) {
        list = hardware;
        return wanted ? (await own()).judge(hardware) : hardware;
      },
      auto: async () => wanted && (await own()).auto(),
      plan: async (...args) => (await informed()).plan(...args),
      apply: async (...args) => (await informed()).apply(...args),
      history: async (uuid) => (await informed()).history(uuid),
    };
  }

  return {
    forDriver,
    async recover() {
      const journals = await readdir(join(state, "setup/journal")).catch((error) => {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
        throw error;
      });
      if (journals.length > 0) await (await load()).recover();
    },
    async reportUnmatched() {
      if (!wanted) return;
      for (const match of (await load()).unmatched()) {
        world.log("warn", "a rule of the configuration is about no device that this process lists", { match });
      }
    },
  };
}
