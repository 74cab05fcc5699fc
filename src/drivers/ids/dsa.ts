import type { IdGroup } from "../ids.ts";

/**
 * Data movers: Intel DSA, and IAA, which shares its kernel driver, idxd, and its work queues. Not here: the Dynamic
 * Load Balancer (8086:2710, 2714, 2715), an event scheduler for packet pipelines; it moves and computes no data.
 */
export const dsaIds: readonly IdGroup[] = [
  {
    source: "linux 6.12.107 drivers/dma/idxd/init.c",
    drivers: ["idxd", "vfio-pci"],
    ids: [
      ["8086:0b25", "Data Streaming Accelerator (DSA)"],
      ["8086:11fb", "Data Streaming Accelerator (Granite Rapids-D)"],
      ["8086:1212", "Data Streaming Accelerator (Diamond Rapids)"],
      ["8086:0cfe", "In-Memory Analytics Accelerator (IAA)"],
      ["8086:1216", "In-Memory Analytics Accelerator (Diamond Rapids)"],
    ],
  },
  {
    source: "pci.ids 2026.10.24",
    drivers: [],
    ids: [
      ["8086:b02d", "Core Ultra Processors (Series 3) IAA"],
      ["8086:d72d", "Core Ultra Processors (Series 4) IAA"],
    ],
  },
];
