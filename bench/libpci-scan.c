// What bench/scan-micro.ts is compared with: the same facts through libpci.
//   cc -O2 -o libpci-scan bench/libpci-scan.c -lpci && ./libpci-scan SYSFS [RUNS [light]]
// `light` asks for ids, class, BARs, driver and capabilities only: less than a scan of ours reports.
#include <pci/pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}
static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
  int runs = argc > 2 ? atoi(argv[2]) : 21, count = 0;
  int light = PCI_FILL_IDENT | PCI_FILL_CLASS | PCI_FILL_BASES | PCI_FILL_SIZES | PCI_FILL_CAPS | PCI_FILL_EXT_CAPS |
              PCI_FILL_DRIVER;
  int same = light | PCI_FILL_CLASS_EXT | PCI_FILL_SUBSYS | PCI_FILL_NUMA_NODE | PCI_FILL_IOMMU_GROUP |
             PCI_FILL_PARENT | PCI_FILL_PHYS_SLOT | PCI_FILL_LABEL;
  if (argc < 2 || runs < 1) return 2;
  double *times = calloc(runs, sizeof *times);
  for (int run = 0; run < runs; run++) {
    double start = now();
    char path[4096];
    struct pci_access *access = pci_alloc();
    access->method = PCI_ACCESS_SYS_BUS_PCI;
    snprintf(path, sizeof path, "%s/bus/pci", argv[1]);
    pci_set_param(access, "sysfs.path", path);
    pci_init(access);
    pci_scan_bus(access);
    count = 0;
    for (struct pci_dev *d = access->devices; d; d = d->next, count++) {
      pci_fill_info(d, argc > 3 ? light : same);
      struct pci_cap *express = pci_find_cap(d, PCI_CAP_ID_EXP, PCI_CAP_NORMAL);
      if (express) {
        pci_read_long(d, express->addr + PCI_EXP_LNKCAP);
        pci_read_word(d, express->addr + PCI_EXP_LNKSTA);
      }
      struct pci_cap *serial = pci_find_cap(d, PCI_EXT_CAP_ID_DSN, PCI_CAP_EXTENDED);
      if (serial) {
        pci_read_long(d, serial->addr + 4);
        pci_read_long(d, serial->addr + 8);
      }
    }
    pci_cleanup(access);
    times[run] = now() - start;
  }
  qsort(times, runs, sizeof *times, compare);
  printf("%d functions: median %.3f best %.3f ms\n", count, times[runs / 2], times[0]);
  return 0;
}
