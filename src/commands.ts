import type { Command } from "commander";

/** What a command's module gives: its options and what it does, and examples for its help. */
export interface CommandModule {
  define(command: Command): void;
  examples: string;
  /** Does it all when that needs no help from a library; false: it does. */
  directly?(argv: readonly string[]): Promise<boolean>;
}

interface Entry {
  summary: string;
  /** Called by programs: no help names it. */
  hidden?: true;
  load: () => Promise<CommandModule>;
}

/**
 * Every command, in the groups and the order of `sinew --help`. Each loads only when it is called: `scan` would otherwise pay
 * for a server it never starts.
 */
const GROUPS: Record<string, Record<string, Entry>> = {
  "This machine": {
    scan: {
      summary: "list this machine's accelerators, each with whether it is ready and if not why",
      load: () => import("./cli/scan.ts"),
    },
    plan: {
      summary: "show what setting devices up as configured would write, who would lose them, and how to get back",
      load: () => import("./cli/setup/plan.ts"),
    },
    apply: {
      summary: "set devices up as configured, read everything back, and roll back what failed",
      load: () => import("./cli/setup/apply.ts"),
    },
    revert: {
      summary: "bring devices back to what they were before their first setup",
      load: () => import("./cli/setup/revert.ts"),
    },
    doctor: {
      summary: "say what is in the way on this host: privileges, IOMMU, clock, ports, credentials, reachability",
      load: () => import("./cli/doctor/doctor.ts"),
    },
    snapshot: {
      summary: "write this machine's PCI bus as one JSON file that scan and start can replay",
      load: () => import("./cli/snapshot.ts"),
    },
  },
  "The fleet": {
    get: {
      summary:
        "list hardware, nodes, sources, alarms, operations or changes: which is not ready, where, why, since when, what to do",
      load: () => import("./cli/get/get.ts"),
    },
    describe: {
      summary: "all that is known of one device or node: conditions with what to do, who holds it, alarms, changes",
      load: () => import("./cli/describe/describe.ts"),
    },
    history: {
      summary: "what became of one device or node, and how it was set up",
      load: () => import("./cli/history/history.ts"),
    },
    wait: {
      summary: "wait until a device is ready or gone, a node live, or a condition so",
      load: () => import("./cli/wait/wait.ts"),
    },
    top: {
      summary: "how devices and nodes do: temperature, power, utilisation, errors; what is not well first",
      load: () => import("./cli/top/top.ts"),
    },
    alarms: {
      summary: "show what is wrong in the fleet, for how long, and what to do",
      load: () => import("./cli/fleet/alarms.ts"),
    },
    drift: {
      summary: "show like devices that differ in kernel driver or firmware, and hardware that is missing",
      load: () => import("./cli/drift/drift.ts"),
    },
    ack: {
      summary: "say that somebody is on an alarm",
      load: () => import("./cli/fleet/ack.ts"),
    },
    window: {
      summary: "tell nobody of some alarms for a while: maintenance",
      load: () => import("./cli/fleet/window.ts"),
    },
  },
  "Nodes and devices": {
    expect: {
      summary:
        "say what hardware is to be on this node, or which nodes in the fleet, so that what is gone without an error is missed",
      load: () => import("./cli/expect/expect.ts"),
    },
    cordon: {
      summary: "take a node or a device out of service: shown as such, and nothing of it alarms",
      load: () => import("./cli/life/cordon.ts"),
    },
    uncordon: {
      summary: "put a node or a device in service again",
      load: () => import("./cli/life/uncordon.ts"),
    },
    label: {
      summary: "give a node labels, by which lists, alarms and discoveries choose",
      load: () => import("./cli/life/label.ts"),
    },
    rename: {
      summary: "give a node another name than it says",
      load: () => import("./cli/life/rename.ts"),
    },
    forget: {
      summary: "forget a node or a device that is not coming back",
      load: () => import("./cli/life/forget.ts"),
    },
    node: {
      summary: "what an operator does about one node of the fleet",
      load: () => import("./cli/node.ts"),
    },
  },
  Access: {
    context: {
      summary: "save conductors by name, with what they are shown, so that commands ask the one that is meant",
      load: () => import("./cli/context/context.ts"),
    },
    token: {
      summary: "make, list and revoke credentials: for agents that join, for people and services, for drivers",
      load: () => import("./cli/token.ts"),
    },
  },
  Service: {
    start: {
      summary: "run a conductor, agent or driver, or (by default) all three on this machine",
      load: () => import("./cli/start.ts"),
    },
    backup: {
      summary: "write a conductor's database to a file, while the conductor runs",
      load: () => import("./cli/fleet/backup.ts"),
    },
    restore: {
      summary: "put a backup in the place of a conductor's database",
      load: () => import("./cli/fleet/restore.ts"),
    },
    conform: {
      summary: "tell a driver, agent or conductor, ours or another's, what it does wrong",
      load: () => import("./cli/conform.ts"),
    },
    completion: {
      summary: "write a script that completes commands, names and ids in bash, zsh or fish",
      load: () => import("./cli/completion/completion.ts"),
    },
    complete: {
      summary: "what may be typed next",
      hidden: true,
      load: () => import("./cli/completion/complete.ts"),
    },
  },
};

export const COMMANDS: Record<string, Entry & { group: string }> = Object.fromEntries(
  Object.entries(GROUPS).flatMap(([group, entries]) =>
    Object.entries(entries).map(([name, entry]) => [name, { ...entry, group }]),
  ),
);
