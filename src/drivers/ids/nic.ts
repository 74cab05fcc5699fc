import type { IdGroup } from "../ids.ts";

/**
 * DPUs and network adapters that are known by id. Not here: the management interfaces of BlueField (15b3:c2d2 to
 * c2d6, class 0801), which carry no traffic, and the NVMe functions of Pensando DSC, which are SSDs by class.
 *
 * VFs are here because a guest, and a recording without links, shows no PF, and their class is that of a card. Amazon's
 * ENA is a VF to Linux, too, and not here: it is the adapter of its machine, whose host nobody sees.
 */
export const nicIds: readonly IdGroup[] = [
  {
    source: "linux 6.12.107 drivers/net/ethernet/mellanox/mlx5/core/main.c",
    drivers: ["mlx5_core", "vfio-pci"],
    ids: [
      ["15b3:a2d2", "MT416842 BlueField integrated ConnectX-5 network controller"],
      ["15b3:a2d3", "MT416842 BlueField multicore SoC family VF", "vf"],
      ["15b3:a2d6", "MT42822 BlueField-2 integrated ConnectX-6 Dx network controller"],
      ["15b3:a2dc", "MT43244 BlueField-3 integrated ConnectX-7 network controller"],
      ["15b3:a2df", "BF4 Family integrated network controller [BlueField-4 integrated network controller]"],
      ["15b3:101e", "ConnectX Family mlx5Gen Virtual Function", "vf"],
      ["15b3:1021", "MT2910 Family [ConnectX-7]"],
      ["15b3:1023", "CX8 Family [ConnectX-8]"],
      ["15b3:101b", "MT28908 Family [ConnectX-6]"],
    ],
  },
  {
    source: "pci.ids 2026.10.24",
    drivers: ["mlx5_core", "vfio-pci"],
    ids: [["15b3:a2d9", "MT43162 BlueField-3 Lx integrated ConnectX-7 network controller"]],
  },
  {
    source: "linux 6.12.107 drivers/net/ethernet/pensando/ionic/ionic.h",
    drivers: ["ionic", "vfio-pci"],
    ids: [
      ["1dd8:1002", "DSC Ethernet Controller"],
      ["1dd8:1003", "DSC Ethernet Controller VF", "vf"],
    ],
  },
  {
    source: "pci.ids 2026.10.24",
    drivers: [],
    ids: [
      ["1dd8:1007", "DSC Storage Accelerator", "companion"],
      ["1dd8:100b", "DSC vDPA Network Device VF", "vf"],
      ["8086:1452", "IPU E2000 infrastructure data path function"],
      ["1dad:0108", "FC50, FC100, FC200 DPU NVMeoF Adapters"],
    ],
  },
  {
    source: "pci.ids 2026.10.24",
    drivers: ["pds_core"],
    ids: [["1dd8:100c", "DSC PDS Core Management", "companion"]],
  },
  {
    source: "dpdk 22.11.11 drivers/net/nfp/nfp_common.h",
    drivers: ["nfp", "vfio-pci"],
    ids: [
      ["19ee:4000", "NFP4000"],
      ["19ee:6000", "NFP6000"],
    ],
  },
  {
    source: "linux drivers/net/ethernet/intel/igbvf; pci.ids 2026.10.24",
    drivers: ["igbvf", "vfio-pci"],
    ids: [
      ["8086:10ca", "82576 Virtual Function", "vf"],
      ["8086:1520", "I350 Ethernet Controller Virtual Function", "vf"],
    ],
  },
  {
    source: "linux drivers/net/ethernet/intel/ixgbevf/defines.h; pci.ids 2026.10.24",
    drivers: ["ixgbevf", "vfio-pci"],
    ids: [
      ["8086:10ed", "82599 Ethernet Controller Virtual Function", "vf"],
      ["8086:1515", "X540 Ethernet Controller Virtual Function", "vf"],
      ["8086:1565", "X550 Virtual Function", "vf"],
      ["8086:15a8", "Ethernet Connection X552 Virtual Function", "vf"],
      ["8086:15c5", "X553 Virtual Function", "vf"],
    ],
  },
  {
    source: "linux drivers/net/ethernet/intel/iavf; pci.ids 2026.10.24",
    drivers: ["iavf", "vfio-pci"],
    ids: [
      ["8086:154c", "Ethernet Virtual Function 700 Series", "vf"],
      ["8086:1571", "Ethernet Virtual Function 700 Series", "vf"],
      ["8086:37cd", "Ethernet Virtual Function 700 Series", "vf"],
      ["8086:1889", "Ethernet Adaptive Virtual Function", "vf"],
    ],
  },
  {
    source: "linux drivers/net/ethernet/mellanox/mlx5/core/main.c; pci.ids 2026.10.24",
    drivers: ["mlx5_core", "vfio-pci"],
    ids: [
      ["15b3:1014", "MT27700 Family [ConnectX-4 Virtual Function]", "vf"],
      ["15b3:1016", "MT27710 Family [ConnectX-4 Lx Virtual Function]", "vf"],
      ["15b3:1018", "MT27800 Family [ConnectX-5 Virtual Function]", "vf"],
      ["15b3:101a", "MT28800 Family [ConnectX-5 Ex Virtual Function]", "vf"],
      ["15b3:101c", "MT28908 Family [ConnectX-6 Virtual Function]", "vf"],
    ],
  },
  {
    source: "pci.ids 2026.10.24",
    drivers: ["bnxt_en", "vfio-pci"],
    ids: [
      ["14e4:16dc", "NetXtreme-E Ethernet Virtual Function", "vf"],
      ["14e4:1609", "BCM5745X NetXtreme-E Ethernet Virtual Function", "vf"],
      ["14e4:1806", "BCM5750X NetXtreme-E Ethernet Virtual Function", "vf"],
    ],
  },
];
