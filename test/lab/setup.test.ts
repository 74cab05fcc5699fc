import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Condition } from "../../src/contract/condition.ts";
import { closeGuests, type Guest, startGuest } from "./support/guest.ts";
import { configure, type GuestSinew, startInGuest } from "./support/sinew.ts";
import { crypto, nvme, nvmePf, port } from "./support/topology.ts";

const SSD = "0000:01:00.0";
const PF = "0000:02:00.0";
const LEFT = "0000:03:00.0";
const RIGHT = "0000:03:00.1";
const OTHER = "0000:04:00.0";
const NETWORK = "0000:00:1d.0";

const RULES = [
  { match: { address: SSD }, kernel_driver: "vfio-pci" },
  { match: { address: PF }, sriov_vfs: 2, vf_driver: "vfio-pci" },
  { match: { address: LEFT }, kernel_driver: "vfio-pci" },
  // No driver for it: the kernel says so after the first writes.
  { match: { address: OTHER }, kernel_driver: "nvme" },
  { match: { address: NETWORK }, kernel_driver: "vfio-pci" },
];

describe("setup on a real kernel with an IOMMU", () => {
  let guest: Guest;
  let sinew: GuestSinew;

  beforeAll(async () => {
    guest = await startGuest({
      iommu: "intel",
      parts: [
        port("p1"),
        nvme("ssd", { bus: "p1" }),
        port("p2"),
        nvmePf("pf", 4, { bus: "p2" }),
        port("p3"),
        // Two functions of one card without ACS, which is one IOMMU group.
        crypto("right", { bus: "p3", addr: "0x0.1" }),
        crypto("left", { bus: "p3", addr: "0x0.0", multifunction: true }),
        port("p4"),
        crypto("other", { bus: "p4" }),
      ],
      modules: ["nvme", "virtio_crypto", "vfio_pci", "vfio_iommu_type1"],
    });
    sinew = await startInGuest(guest, "--role", "agent", "--config", await configure(guest, RULES));
  });
  afterAll(closeGuests);

  const cli = async (...args: string[]) => {
    const ran = await guest.run(["bun", "src/main.ts", ...args, "--state", "/state/sinew"]);
    if (process.env.LAB_SHOW) console.log(`$ sinew ${args.join(" ")}\n${ran.stdout}${ran.stderr}[${ran.code}]`);
    return ran;
  };
  const driverOf = async (address: string) =>
    (await guest.sh(`basename $(readlink /sys/bus/pci/devices/${address}/driver || echo none)`)).trim();
  const configured = async (address: string) => {
    await sinew.discover();
    const { acc_status } = await sinew.at(address);
    const found = acc_status.conditions.find(({ type }: Condition) => type === "Configured");
    return { ready: acc_status.ready, status: found?.status, reason: found?.reason };
  };

  test("a controller is bound to vfio-pci, read back and ready, and comes back to its driver", async () => {
    expect(await configured(SSD)).toEqual({ ready: false, status: "false", reason: "NotApplied" });
    const plan = await cli("plan", SSD);
    expect(plan.stdout).toContain("refused  no");
    expect(await driverOf(SSD)).toBe("nvme");
    const applied = await cli("apply", SSD);
    expect(applied).toMatchObject({ code: 0, stdout: expect.stringContaining("done, and read back") });
    expect(await driverOf(SSD)).toBe("vfio-pci");
    expect(await configured(SSD)).toEqual({ ready: true, status: "true", reason: "AsDesired" });
    expect((await cli("apply", SSD)).stdout).toContain("as wanted; nothing was written");
    expect((await cli("revert", SSD)).code).toBe(0);
    expect(await driverOf(SSD)).toBe("nvme");
    expect(await guest.sh(`cat /sys/bus/pci/devices/${SSD}/driver_override`)).toBe("(null)\n");
    expect(await configured(SSD)).toEqual({ ready: false, status: "false", reason: "Reverted" });
  });

  test("who has it open keeps it, until that is overridden", async () => {
    await guest.sh("sleep 1000 </dev/nvme0 >/dev/null 2>&1 & echo $! > /tmp/holder");
    const refused = await cli("apply", SSD);
    expect(refused.code).toBe(1);
    expect(refused.stdout).toMatch(/held-open: sleep\[\d+\] has \/dev\/nvme0 open; force held-open/);
    expect(await driverOf(SSD)).toBe("nvme");
    await guest.sh("kill $(cat /tmp/holder)");
  });

  test("VFs are made, given to vfio-pci, and taken back", async () => {
    const plan = await cli("plan", PF);
    expect(plan.stdout).toContain("sriov_numvfs: 0 -> 2");
    const applied = await cli("apply", PF);
    expect(applied).toMatchObject({ code: 0 });
    for (const vf of ["0000:02:00.1", "0000:02:00.2"]) expect(await driverOf(vf)).toBe("vfio-pci");
    expect(await driverOf(PF)).toBe("nvme");
    expect(await configured(PF)).toEqual({ ready: true, status: "true", reason: "AsDesired" });
    expect((await cli("revert", PF)).code).toBe(0);
    expect(
      await guest.sh(`cat /sys/bus/pci/devices/${PF}/sriov_numvfs /sys/bus/pci/devices/${PF}/sriov_drivers_autoprobe`),
    ).toBe("0\n1\n");
  });

  test("a group with a member on a host driver is refused, as VFIO would not open it", async () => {
    const { stdout, code } = await cli("apply", LEFT);
    expect(code).toBe(1);
    expect(stdout).toContain(`group-not-viable: ${RIGHT} is in IOMMU group`);
    expect(await driverOf(LEFT)).toBe("virtio-pci");
  });

  test("the NIC of the default route is refused, by name", async () => {
    const { stdout } = await cli("plan", NETWORK);
    expect(stdout).toContain("default-route: the default route goes over eth0");
    const { uuid } = await sinew.at(NETWORK);
    const headers = { "content-type": "application/json" };
    const refused = await sinew.ask(`/hardware/${uuid}/setup`, { method: "POST", headers, body: "{}" });
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ code: "setup_refused" });
    expect(await driverOf(NETWORK)).toBe("virtio-pci");
  });

  test("a bind that the driver does not take up is taken back", async () => {
    expect((await cli("apply", OTHER)).code).toBe(1);
    expect(await driverOf(OTHER)).toBe("virtio-pci");
    expect(await guest.sh(`cat /sys/bus/pci/devices/${OTHER}/driver_override`)).toBe("(null)\n");
    const { uuid } = await sinew.at(OTHER);
    const { history } = (await (await sinew.ask(`/hardware/${uuid}/history`)).json()) as {
      history: { kind: string }[];
    };
    expect(new Set(history.map(({ kind }) => kind))).toEqual(new Set(["apply", "rollback"]));
  });

  test("everything that was written is in the history", async () => {
    const { uuid } = await sinew.at(SSD);
    const answer = (await (await sinew.ask(`/hardware/${uuid}/history`)).json()) as { history: { kind: string }[] };
    expect(answer.history.map(({ kind }) => kind)).toEqual(["revert", "revert", "revert", "apply", "apply", "apply"]);
  });
});

describe("setup on a real kernel without an IOMMU", () => {
  afterAll(closeGuests);

  test("wants a reboot, says for which setting, and nothing is written", async () => {
    const guest = await startGuest({ parts: [port("p1"), nvme("ssd", { bus: "p1" })], modules: ["nvme", "vfio_pci"] });
    const config = await configure(guest, RULES.slice(0, 1));
    const sinew = await startInGuest(guest, "--role", "agent", "--config", config);
    const { acc_status } = await sinew.at(SSD);
    expect(acc_status).toMatchObject({ reboot_required: true, ready: false });
    const iommu = acc_status.conditions.find(({ type }: Condition) => type === "IommuReady");
    expect(iommu).toMatchObject({ status: "false", reason: "NoIommu" });
    const ran = await guest.run(["bun", "src/main.ts", "apply", SSD, "--state", "/state/sinew"]);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain("reboot-needed: vfio-pci needs an IOMMU, and the firmware describes none");
    expect(await guest.sh(`cat /sys/bus/pci/devices/${SSD}/driver_override`)).toBe("(null)\n");
  });
});
