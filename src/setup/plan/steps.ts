import type { SetupWrite } from "../../contract/device/setup.ts";
import type { Rule } from "../desired/rule.ts";
import type { FunctionFacts, SriovFacts } from "../facts/facts.ts";

/** What a function is to be. What is undefined is left as it is. */
export interface Target {
  /** null: none may be bound. */
  driver?: string | null;
  /** driver_override; null: clear. Without `exact` it only serves to get the driver bound. */
  override?: string | null;
  /** Overrides and autoprobe count by themselves, too: a state that was is to be again. */
  exact: boolean;
  vfs?: number;
  autoprobe?: "0" | "1" | null;
  /** Of the VF with that index. */
  vf?: (index: number) => Pick<Target, "driver" | "override" | "exact">;
}

/** What is kept of a function before its first setup, to get back to. */
export interface Original {
  driver: string | null;
  override: string | null;
  sriov: {
    enabled: number;
    autoprobe: "0" | "1" | null;
    vfs: { driver: string | null; override: string | null }[];
  } | null;
}

export interface Step {
  /** The function that the write is about. */
  address: string;
  /** For people: `bind 0000:3b:00.0 to vfio-pci`. */
  name: string;
  kind: "override" | "unbind" | "probe" | "autoprobe" | "vfs";
  write: SetupWrite;
}

/** No driver has this name, so none takes the function by itself (Documentation/ABI/testing/sysfs-bus-pci). */
const NONE = "none";
const overrideFor = (driver: string | null) => driver ?? NONE;

/** What a rule wants of a function. VFs have none of their own. */
export function targetOf(rule: Pick<Rule, "kernel_driver" | "sriov_vfs" | "vf_driver">): Target {
  const { kernel_driver, sriov_vfs, vf_driver } = rule;
  const bind = (driver: string | null) => ({ driver, override: overrideFor(driver), exact: false });
  return {
    exact: false,
    ...(kernel_driver === undefined ? {} : bind(kernel_driver)),
    ...(sriov_vfs === undefined ? {} : { vfs: sriov_vfs }),
    // Else the kernel gives each VF to the host's driver before anybody can say which one it is for.
    ...(vf_driver === undefined ? {} : { autoprobe: "0" as const, vf: () => bind(vf_driver) }),
  };
}

export function originalOf(fn: FunctionFacts, vfs: readonly FunctionFacts[]): Original {
  const { kernel_driver, driver_override, sriov } = fn;
  return {
    driver: kernel_driver,
    override: driver_override,
    sriov: sriov && {
      enabled: sriov.enabled,
      autoprobe: sriov.autoprobe,
      vfs: sriov.vfs.map((address) => {
        const vf = vfs.find((one) => one.address === address);
        return { driver: vf?.kernel_driver ?? null, override: vf?.driver_override ?? null };
      }),
    },
  };
}

export function targetBack({ driver, override, sriov }: Original): Target {
  return {
    driver,
    override,
    exact: true,
    ...(sriov && {
      vfs: sriov.enabled,
      autoprobe: sriov.autoprobe,
      vf: (index) => ({ driver: null, override: null, ...sriov.vfs[index], exact: true }),
    }),
  };
}

/** The writes that make `fn` what `target` says, in order; none when it is. */
export function stepsOf(sysfs: string, fn: FunctionFacts, vfs: readonly FunctionFacts[], target: Target): Step[] {
  const steps: Step[] = [];
  const { address, sriov } = fn;
  const at = `${sysfs}/bus/pci/devices/${address}`;
  const rebinds = target.driver !== undefined && target.driver !== fn.kernel_driver;
  const count = sriov?.enabled ?? 0;
  const wanted = sriov === null ? 0 : (target.vfs ?? (rebinds ? 0 : count));
  const numvfs = (from: number, to: number) =>
    steps.push({
      address,
      kind: "vfs",
      name: to === 0 ? `take the ${from} VFs of ${address} away` : `make ${to} VFs of ${address}`,
      write: { path: `${at}/sriov_numvfs`, from: String(from), to: String(to) },
    });
  // The driver that made them takes them along, or leaves them without anyone; and 2 to 4 without 0 between is EBUSY.
  const clears = count > 0 && (rebinds || wanted !== count);
  if (clears) numvfs(count, 0);
  steps.push(...binding(sysfs, fn, target));
  const makes = wanted > 0 && (clears || count === 0);
  const { autoprobe } = target;
  if (sriov && autoprobe && autoprobe !== sriov.autoprobe && sriov.autoprobe !== null && (target.exact || makes)) {
    const name = `${autoprobe === "0" ? "let no driver take" : "let drivers take"} VFs of ${address} by themselves`;
    const write = { path: `${at}/sriov_drivers_autoprobe`, from: sriov.autoprobe, to: autoprobe };
    steps.push({ address, kind: "autoprobe", name, write });
  }
  if (makes) numvfs(0, wanted);
  if (sriov && target.vf && wanted > 0) {
    const found = makes
      ? Array.from({ length: wanted }, (_, index) => unborn(fn, sriov, index, target))
      : sriov.vfs.map((one) => vfs.find((vf) => vf.address === one) ?? null);
    for (const [index, vf] of found.entries()) {
      if (vf) steps.push(...binding(sysfs, vf, target.vf(index)));
    }
  }
  return steps;
}

function binding(sysfs: string, fn: FunctionFacts, target: Pick<Target, "driver" | "override" | "exact">): Step[] {
  const { driver, override = null, exact } = target;
  const { address, kernel_driver } = fn;
  const steps: Step[] = [];
  const rebinds = driver !== undefined && driver !== kernel_driver;
  if (driver !== undefined && override !== fn.driver_override && (rebinds || exact)) {
    const write = {
      path: `${sysfs}/bus/pci/devices/${address}/driver_override`,
      from: fn.driver_override,
      to: override ?? "",
    };
    const name = override === null ? `clear the override of ${address}` : `reserve ${address} for ${override}`;
    steps.push({ address, kind: "override", name, write });
  }
  if (!rebinds) return steps;
  if (kernel_driver !== null) {
    const write = { path: `${sysfs}/bus/pci/drivers/${kernel_driver}/unbind`, from: null, to: address };
    steps.push({ address, kind: "unbind", name: `unbind ${address} from ${kernel_driver}`, write });
  }
  if (driver !== null) {
    const write = { path: `${sysfs}/bus/pci/drivers_probe`, from: null, to: address };
    steps.push({ address, kind: "probe", name: `bind ${address} to ${driver}`, write });
  }
  return steps;
}

/** A VF before it is made. Its address follows from its PF's (PCIe 6.0, 9.3.3.9); the kernel's is read when it is there. */
function unborn(pf: FunctionFacts, sriov: SriovFacts, index: number, target: Target): FunctionFacts {
  const { offset, stride } = sriov;
  const [domain, bus = "0", device = "0", fn = "0"] = pf.address.split(/[:.]/);
  const own = Number.parseInt(bus, 16) * 256 + Number.parseInt(device, 16) * 8 + Number(fn);
  const id = own + (offset ?? 0) + index * (stride ?? 0);
  const hex = (value: number) => value.toString(16).padStart(2, "0");
  const known = offset !== null && stride !== null && id <= 0xffff;
  const address = known ? `${domain}:${hex(id >> 8)}:${hex((id >> 3) & 31)}.${id & 7}` : `${pf.address}/virtfn${index}`;
  // What is to be as it was is bound by the kernel itself, where it was not told otherwise.
  const itself = target.exact && (target.autoprobe ?? sriov.autoprobe) !== "0";
  return {
    ...pf,
    address,
    path: `${pf.path}/vf${index}`,
    kernel_driver: itself ? (target.vf?.(index).driver ?? null) : null,
    driver_override: null,
    sriov: null,
    physfn: pf.address,
  };
}

/** What `fn` and its VFs are once `target` is reached: what the undo starts from. */
export function reached(
  fn: FunctionFacts,
  vfs: readonly FunctionFacts[],
  target: Target,
): [FunctionFacts, FunctionFacts[]] {
  const bound = (one: FunctionFacts, { driver, override, exact }: Pick<Target, "driver" | "override" | "exact">) => {
    const rebinds = driver !== undefined && driver !== one.kernel_driver;
    return {
      ...one,
      kernel_driver: driver === undefined ? one.kernel_driver : driver,
      driver_override: driver !== undefined && (rebinds || exact) ? (override ?? null) : one.driver_override,
    };
  };
  const { sriov } = fn;
  const own = bound(fn, target);
  if (!sriov) return [own, []];
  const rebinds = own.kernel_driver !== fn.kernel_driver;
  const wanted = target.vfs ?? (rebinds ? 0 : sriov.enabled);
  const makes = wanted > 0 && (rebinds || wanted !== sriov.enabled);
  const makeOne = (_: unknown, index: number) => unborn(fn, sriov, index, target);
  const left = wanted === 0 ? [] : makes ? Array.from({ length: wanted }, makeOne) : [...vfs];
  const autoprobe = target.autoprobe && (target.exact || makes) ? target.autoprobe : sriov.autoprobe;
  const done = left.map((vf, index) => (target.vf ? bound(vf, target.vf(index)) : vf));
  return [{ ...own, sriov: { ...sriov, enabled: wanted, autoprobe, vfs: done.map(({ address }) => address) } }, done];
}
