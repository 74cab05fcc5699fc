/** What a token may be for. `agent`: to join as one node; `driver`: to report to an agent as one driver. */
export const TOKEN_ROLES = ["viewer", "operator", "admin", "metrics", "agent", "driver"] as const;
export type TokenRole = (typeof TOKEN_ROLES)[number];

/**
 * What a caller is: `join` holds a join token, `agent` proved a node's key over its link, `above` is the conductor at
 * the far end of an agent's link, `anyone` calls a tier with auth mode open and has not said who.
 */
export type CallerRole = Exclude<TokenRole, "agent"> | "join" | "agent" | "above" | "anyone";

export interface Caller {
  role: CallerRole;
  /** For the audit trail. Never a secret. */
  name: string;
  /** The token's id, where one was shown. */
  token?: string;
  /** The one node that an agent or a join token speaks for; null: a join token for any. */
  node?: string | null;
  /** A join token without a use left: good for asking again with the key that it was used for, and for nothing else. */
  usedUp?: boolean;
  /** The one driver that a driver token speaks for; null: any. */
  driver?: string | null;
  /** Proved that it reads this node's state directory: a process of this node, or its operator. */
  local?: boolean;
}

/** Who calls, and from where: null on a unix socket, over a link and within the process. */
export interface Visitor {
  caller: Caller;
  remoteAddress: string | null;
}

/** A tier of the same process, which needs no credential. */
export const IN_PROCESS: Caller = { role: "admin", name: "in-process", local: true };

export const READERS = ["viewer", "operator", "admin", "above"] as const satisfies CallerRole[];
/** Who may read metrics alone. */
export const METERS = ["metrics", ...READERS] as const satisfies CallerRole[];
export const OPERATORS = ["operator", "admin", "above"] as const satisfies CallerRole[];
export const ADMINS = ["admin"] as const satisfies CallerRole[];

/** Whether a caller of this role may call what is for `roles`. Auth mode open opens all but what is for admins alone. */
export const admits = (roles: readonly CallerRole[], role: CallerRole): boolean =>
  role === "anyone" ? roles.some((one) => one !== "admin" && one !== "join") : roles.includes(role);
