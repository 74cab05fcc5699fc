/** When a rule is carried out: by the node itself, or when somebody asks for it. */
export type Apply = "auto" | "on-request";

/** Which devices a rule is about: all that is given must hold. */
export interface Match {
  device_type?: string;
  vendor_id?: string;
  device_id?: string;
  slot?: string;
  address?: string;
  /** As this node's agent lists it. */
  uuid?: string;
}

/** What is wanted of a device. What is not given is left as it is; a driver of null: none may be bound. */
export interface Wanted {
  kernel_driver?: string | null;
  sriov_vfs?: number;
  vf_driver?: string | null;
}

export interface Rule extends Wanted {
  match: Match;
  apply: Apply;
}

/** What a device is known by, in the contract's terms; null: not known. */
export interface Matchable {
  device_type: string | null;
  vendor_id: string;
  device_id: string;
  slot: string | null;
  address: string;
  /** Null: the agent has not yet said under which it lists it. */
  uuid: string | null;
}

const KEYS = ["device_type", "vendor_id", "device_id", "slot", "address", "uuid"] as const;

/** Of a device whose uuid is not known yet any may be meant. */
export const matches = ({ match }: Rule, device: Matchable): boolean =>
  KEYS.every(
    (key) => match[key] === undefined || match[key] === device[key] || (key === "uuid" && device.uuid === null),
  );

/** The rule that counts for a device: the first that matches. None while that hangs on a uuid that is not known yet. */
export function ruleFor(rules: readonly Rule[], device: Matchable): Rule | null {
  const first = rules.find((rule) => matches(rule, device));
  return first && (first.match.uuid === undefined || device.uuid !== null) ? first : null;
}

/** A rule in one line, the same for the same rule: to know it again after a restart. */
export const ruleText = ({ match, kernel_driver, sriov_vfs, vf_driver }: Rule): string =>
  JSON.stringify({ match: KEYS.map((key) => match[key] ?? null), kernel_driver, sriov_vfs, vf_driver });

/** A match as a person wrote it: `address 0000:3b:00.0`. */
export const matchText = (match: Match): string =>
  KEYS.flatMap((key) => (match[key] === undefined ? [] : [`${key} ${match[key]}`])).join(", ");
