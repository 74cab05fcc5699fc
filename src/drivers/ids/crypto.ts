import type { IdGroup } from "../ids.ts";

/**
 * Crypto and compression offload: QuickAssist is both in one function, so pure compression engines go with it.
 * Not here: the platform security processors on AMD dies (1022:1456, 1486, 1498 ...). They have class 1080 and a kernel
 * driver named ccp, and one host has dozens, but they are no card to offer to a workload.
 */
export const cryptoIds: readonly IdGroup[] = [
  {
    source: "linux 6.12.107 include/linux/pci_ids.h",
    drivers: ["dh895xcc", "vfio-pci"],
    ids: [["8086:0435", "DH895XCC Series QAT"]],
  },
  {
    source: "linux 6.12.107 include/linux/pci_ids.h",
    drivers: ["dh895xccvf", "vfio-pci"],
    ids: [["8086:0443", "DH895XCC Series QAT Virtual Function", "vf"]],
  },
  {
    source: "linux 6.12.107 include/linux/pci_ids.h",
    drivers: ["c6xx", "vfio-pci"],
    ids: [["8086:37c8", "C620 Series Chipset Family QAT"]],
  },
  {
    source: "linux 6.12.107 include/linux/pci_ids.h",
    drivers: ["c6xxvf", "vfio-pci"],
    ids: [["8086:37c9", "C620 Series Chipset Family QAT Virtual Function", "vf"]],
  },
  {
    source: "linux 6.12.107 include/linux/pci_ids.h",
    drivers: ["c3xxx", "vfio-pci"],
    ids: [["8086:19e2", "Atom Processor C3000 Series QuickAssist Technology"]],
  },
  {
    source: "linux 6.12.107 include/linux/pci_ids.h",
    drivers: ["c3xxxvf", "vfio-pci"],
    ids: [["8086:19e3", "Atom Processor C3000 Series QuickAssist Technology Virtual Function", "vf"]],
  },
  {
    source: "linux 6.12.107 drivers/crypto/intel/qat/qat_common/adf_accel_devices.h",
    drivers: ["4xxx", "vfio-pci"],
    ids: [
      ["8086:4940", "4xxx Series QAT"],
      ["8086:4942", "401xx Series QAT"],
      ["8086:4944", "402xx Series QAT"],
    ],
  },
  {
    source: "linux 6.12.107 drivers/crypto/intel/qat/qat_common/adf_accel_devices.h",
    drivers: [],
    ids: [
      ["8086:4941", "4xxx Series QAT Virtual Function", "vf"],
      ["8086:4943", "401xx Series QAT Virtual Function", "vf"],
      ["8086:4945", "402xx Series QAT Virtual Function", "vf"],
      ["8086:4947", "420xx Series QAT Virtual Function", "vf"],
    ],
  },
  {
    source: "linux 6.12.107 drivers/crypto/intel/qat/qat_common/adf_accel_devices.h",
    drivers: ["420xx", "vfio-pci"],
    ids: [["8086:4946", "420xx Series QAT"]],
  },
  {
    source: "pci.ids 2026.10.24",
    drivers: [],
    ids: [
      ["8086:6f54", "Xeon Processor D Family QuickAssist Technology"],
      ["8086:18a0", "Atom Processor P5xxx Series QAT"],
      ["8086:18ee", "200xx Series QAT"],
      ["8086:4949", "6xxx Series QAT Virtual Function", "vf"],
      ["8086:128c", "60Cx8980 Series QAT"],
      ["8086:128d", "60Cx8980 Series QAT Virtual Function", "vf"],
      ["8086:0434", "DH89XXCC Series QAT"],
      ["8086:0442", "DH89XXCC Series QAT Virtual Function", "vf"],
      ["8086:1f18", "Atom processor C2000 QAT"],
      ["1014:0611", "4769 Cryptographic Adapter"],
      ["1014:06a2", "4770 Cryptographic Adapter"],
    ],
  },
  {
    source: "pci.ids 2026.10.24",
    drivers: ["6xxx", "vfio-pci"],
    ids: [["8086:4948", "6xxx Series QAT"]],
  },
  {
    source: "dpdk 22.11.11 drivers/common/qat/qat_device.c",
    drivers: [],
    ids: [
      ["8086:6f55", "Xeon Processor D Family QuickAssist Technology Virtual Function", "vf"],
      ["8086:18a1", "C4XXX Series QAT Virtual Function", "vf"],
      ["8086:18ef", "200xx Series QAT Virtual Function", "vf"],
    ],
  },
  {
    source: "linux 6.12.107 drivers/crypto/hisilicon",
    drivers: ["hisi_zip", "vfio-pci"],
    ids: [
      ["19e5:a250", "HiSilicon ZIP Engine"],
      ["19e5:a251", "HiSilicon ZIP Engine(Virtual Function)", "vf"],
    ],
  },
  {
    source: "linux 6.12.107 drivers/crypto/hisilicon",
    drivers: ["hisi_sec2", "vfio-pci"],
    ids: [
      ["19e5:a255", "HiSilicon SEC Engine"],
      ["19e5:a256", "HiSilicon SEC Engine(Virtual Function)", "vf"],
    ],
  },
  {
    source: "linux 6.12.107 drivers/crypto/hisilicon",
    drivers: ["hisi_hpre", "vfio-pci"],
    ids: [
      ["19e5:a258", "HiSilicon HPRE Engine"],
      ["19e5:a259", "HiSilicon HPRE Engine(Virtual Function)", "vf"],
    ],
  },
  {
    source: "linux 6.12.107 drivers/crypto/{cavium,marvell}",
    drivers: [],
    ids: [
      ["177d:0012", "CNN55XX Nitrox V"],
      ["177d:a040", "THUNDERX CPT"],
      ["177d:a041", "THUNDERX CPT VF", "vf"],
      ["177d:a01a", "THUNDERX ZIP"],
    ],
  },
  {
    source: "linux 6.12.107 drivers/crypto/{cavium,marvell}",
    drivers: ["rvu_cptpf"],
    ids: [
      ["177d:a0fd", "OcteonTX2 CPT"],
      ["177d:a0f2", "CN10K CPT"],
    ],
  },
  {
    source: "linux 6.12.107 drivers/crypto/{cavium,marvell}",
    drivers: ["rvu_cptvf", "vfio-pci"],
    ids: [
      ["177d:a0fe", "OcteonTX2 CPT", "vf"],
      ["177d:a0f3", "CN10K CPT", "vf"],
    ],
  },
  {
    source: "dpdk 22.11.11 dpdk-devbind cavium_zip class 12",
    drivers: [],
    ids: [["177d:a037", "THUNDERX ZIP virtual function", "vf"]],
  },
  {
    source: "linux include/uapi/linux/virtio_ids.h id 20 -> 0x1040+20",
    drivers: ["virtio-pci", "vfio-pci"],
    ids: [["1af4:1054", "Virtio 1.0 crypto"]],
  },
  {
    source: "pci.ids 2026.10.24",
    drivers: ["genwqe"],
    ids: [["1014:044b", "GenWQE Accelerator Adapter"]],
  },
];
