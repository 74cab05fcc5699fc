import type { Scanner } from "../pci/scanner/scanner.ts";
import type { World } from "../world.ts";
import type { What } from "./pace.ts";

export interface WatchOptions {
  sysfs: string;
  scanner: Pick<Scanner, "changed" | "concerns">;
  world: World;
  touch(what: What): void;
}

export interface Watch {
  stop(): void;
}

/** Without uevents the bus is compared with what it was this often. */
const COMPARE_MS = 3_000;

/** Hears of changes of the bus by uevents or, where those can't be had, by comparing. Says which in the log. */
export async function watchBus(options: WatchOptions): Promise<Watch> {
  const { sysfs, world } = options;
  const { openUevents, stopUevents, whyDeaf } = await import("../ffi/netlink.ts");
  let watch: Watch;
  const compare = (because: string) => {
    world.log("info", "the bus is watched by comparing", { every_seconds: COMPARE_MS / 1000, because });
    watch = compareBus(options);
  };
  try {
    const deaf = whyDeaf(sysfs);
    if (deaf !== null) throw new Error(deaf);
    const socket = openUevents();
    const { listen } = await import("./uevents/listen.ts");
    watch = { stop: listen(socket, stopUevents, hearing(options, compare)) };
    world.log("info", "the bus is watched by uevents");
  } catch (error) {
    compare(error instanceof Error ? error.message : String(error));
  }
  return { stop: () => watch.stop() };
}

/** What a listener's messages mean for the bus. */
export function hearing({ scanner, world, touch }: WatchOptions, failed: (why: string) => void) {
  return {
    heard({ presence, other, lost }: { presence: string[]; other: string[]; lost: boolean }) {
      if (lost) {
        world.log("warn", "uevents came faster than they were read: looking at the whole bus");
        return touch("all");
      }
      const concerned = new Set([...presence, ...other.filter((address) => scanner.concerns(address))]);
      if (concerned.size > 0) touch(concerned);
    },
    failed(why: string) {
      failed(why);
      touch("all");
    },
  };
}

/** Compares what the bus looks like from outside with what it was. */
function compareBus({ scanner, world, touch }: WatchOptions): Watch {
  let stopped = false;
  let failing = false;
  let cancel = () => {};

  async function compare(): Promise<void> {
    try {
      const changed = await scanner.changed();
      failing = false;
      if (changed === null) touch("all");
      else if (changed.length > 0) touch(new Set(changed));
    } catch {
      // A look at the whole bus fails of the same, and says so where it is heard.
      if (!failing && !stopped) touch("all");
      failing = true;
    }
    if (!stopped) cancel = world.timer(COMPARE_MS, () => void compare());
  }

  void compare();
  return {
    stop() {
      stopped = true;
      cancel();
    },
  };
}
