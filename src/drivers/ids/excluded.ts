import type { IdGroup } from "../ids.ts";

/**
 * Functions whose class looks like an accelerator and that are none: displays of management controllers, virtual
 * displays, test devices, and the switches between GPUs.
 */
export const excludedIds: readonly IdGroup[] = [
  {
    source: "pci.ids 2026.10.24",
    drivers: [],
    ids: [
      ["10de:1af1", "GA100 [A100 NVSwitch]"],
      ["10de:22a3", "GH100 [H100 NVSwitch]"],
      ["1a03:2000", "ASPEED BMC VGA"],
      ["102b:0536", "Matrox G200eW3 BMC VGA"],
      ["102b:0534", "Matrox G200eR2 BMC VGA"],
      ["102b:0532", "Matrox G200 BMC VGA"],
      ["1002:515e", "ES1000 server VGA"],
      ["1af4:1050", "virtio GPU"],
      ["15ad:0405", "VMware SVGA"],
      ["15ad:0710", "VMware SVGA (legacy)"],
      ["1234:1111", "QEMU std VGA"],
      ["1013:00b8", "QEMU Cirrus VGA"],
      ["1b36:0005", "QEMU PCI test device (its class is whatever the test wants, 1200 was seen)"],
      ["1b36:0100", "QXL virtual VGA"],
      ["19e5:1711", "HiSilicon Hi171x iBMC VGA"],
      ["18ca:0020", "XGI Z7/Z9 BMC VGA"],
      ["80ee:beef", "VirtualBox VGA"],
      ["1414:5353", "Hyper-V virtual VGA"],
      ["1ab8:4005", "Parallels virtual VGA"],
    ],
  },
  {
    source: "linux drivers/gpu/drm/mgag200/mgag200_drv.c",
    drivers: [],
    ids: [
      ["102b:0522", "Matrox G200 SE A BMC VGA"],
      ["102b:0524", "Matrox G200 SE B BMC VGA"],
      ["102b:0530", "Matrox G200EV BMC VGA"],
      ["102b:0533", "Matrox G200EH BMC VGA"],
      ["102b:0538", "Matrox G200eH3 BMC VGA"],
    ],
  },
  {
    source: "linux drivers/gpu/drm/ast/ast_drv.h",
    drivers: [],
    ids: [["1a03:2010", "ASPEED BMC VGA"]],
  },
  {
    source: "linux drivers/gpu/drm/vmwgfx/vmwgfx_drv.c",
    drivers: [],
    ids: [["15ad:0406", "VMware SVGA3"]],
  },
];
