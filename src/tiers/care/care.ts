import type { HistoryList, SetupPlan, SetupPlanned, SetupRefusal, SetupRequest } from "../../contract/device/setup.ts";
import type { Telemetry } from "../../contract/device/telemetry.ts";
import type { Hardware } from "../../contract/hardware.ts";
import type { Operation } from "../../contract/operation.ts";
import { SinewError } from "../../contract/problem.ts";

/** Who asks for a setup. */
export interface Asker {
  /** As the history names them. */
  actor: string;
  /** It is the conductor above this node, or came through it. */
  above: boolean;
}

/**
 * What a tier does with one device, beside listing it. All throw SinewError: not_found, ambiguous_uuid, and above a driver
 * what the tier below said, peer_failed or peer_timeout.
 */
export interface Care {
  telemetry(uuid: string): Promise<Telemetry>;
  /** Of a device that is gone as well. */
  history(uuid: string): Promise<HistoryList>;
  plan(uuid: string, request: SetupRequest, asker: Asker): Promise<SetupPlanned>;
  /** Resolves once it is under way or done. Throws setup_refused and busy before anything is written. */
  setup(uuid: string, request: SetupRequest, asker: Asker): Promise<Operation>;
}

/** The one device of this uuid. Throws SinewError not_found, or ambiguous_uuid naming every source of it. */
export function theOne(devices: readonly Hardware[], uuid: string): Hardware {
  const [device, ...more] = devices;
  if (!device) throw new SinewError("not_found", `no device ${uuid} is here`);
  if (more.length === 0) return device;
  const sources = devices.map(({ source }) => source).join(" and ");
  throw new SinewError(
    "ambiguous_uuid",
    `expected one device with uuid ${uuid}, got ${devices.length}: from ${sources}`,
  );
}

/** Of a driver that can only list its devices. */
export const noSetup = (who: string): SetupPlan => ({
  desired: null,
  writes: [],
  group: null,
  holders: [],
  reboot: null,
  undo: [],
  refusals: [{ name: "unsupported", reason: `${who} sets nothing up` }],
});

/** A call that is refused, and by what. */
export const refused = (refusals: readonly SetupRefusal[]) =>
  new SinewError("setup_refused", refusals.map(({ reason }) => reason).join("; "), {
    errors: refusals.map(({ name, reason }) => ({ pointer: name, detail: reason })),
  });

/** What makes two calls the same one. */
export const sameRequest = ({ revert = false, force = [] }: SetupRequest) =>
  JSON.stringify({ revert, force: [...new Set(force)].sort() });
