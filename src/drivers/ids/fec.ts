import type { IdGroup } from "../ids.ts";

/**
 * Forward error correction for radio access networks. They are driven from user space, so vfio-pci is their kernel
 * driver; a PF whose VFs are handed out is held by pci-pf-stub or igb_uio (DPDK, "Poll mode driver for ACC100").
 */
export const fecIds: readonly IdGroup[] = [
  {
    source: "dpdk 22.11.11 drivers/baseband",
    drivers: ["vfio-pci", "igb_uio", "pci-pf-stub"],
    ids: [
      ["8086:0d5c", "ACC100"],
      ["8086:57c0", "ACC200 (vRAN Boost)"],
      ["8086:57c4", "ACC101"],
      ["8086:0d8f", "FPGA 5GNR FEC"],
    ],
  },
  {
    source: "dpdk 22.11.11 drivers/baseband",
    drivers: ["vfio-pci"],
    ids: [
      ["8086:0d5d", "ACC100", "vf"],
      ["8086:57c1", "ACC200 (vRAN Boost)", "vf"],
      ["8086:57c5", "ACC101", "vf"],
      ["8086:0d90", "FPGA 5GNR FEC", "vf"],
    ],
  },
  {
    source: "dpdk 22.11.11 drivers/baseband/fpga_lte_fec",
    drivers: ["vfio-pci", "igb_uio", "pci-pf-stub"],
    ids: [["1172:5052", "FPGA LTE FEC"]],
  },
  {
    source: "dpdk 22.11.11 drivers/baseband/fpga_lte_fec",
    drivers: ["vfio-pci"],
    ids: [["1172:5050", "FPGA LTE FEC", "vf"]],
  },
];
