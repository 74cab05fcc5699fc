import type { IdGroup } from "../ids.ts";

/**
 * DPUs and network adapters that are known by id. Not here: the management interfaces of BlueField (15b3:c2d2 to
 * c2d6, class 0801), which carry no traffic, and the NVMe functions of Pensando DSC, which are SSDs by class.
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
];
