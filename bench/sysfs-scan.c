// What bench/scan-micro.ts is compared with: the same attributes and the same bytes of config space, by bare system
// calls, and nothing made of them. How fast the kernel is, and so how fast a scan could be.
//   cc -O2 -o sysfs-scan bench/sysfs-scan.c && ./sysfs-scan SYSFS [RUNS]
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

static char buffer[4096];
static unsigned char config[4096];
static long config_size; // -1: a dword at a time
static int config_fd;
static unsigned long sum; // what is read is used, or a compiler may leave it out

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}
static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}
static int names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int attribute(int dir, const char *name) {
  int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  long length = pread(fd, buffer, sizeof buffer - 1, 0);
  close(fd);
  if (length < 0) return 0;
  buffer[length] = 0;
  sum += length;
  return 1;
}
static void link_of(int dir, const char *name) {
  long length = readlinkat(dir, name, buffer, sizeof buffer);
  if (length > 0) sum += length;
}
static int dword(unsigned at, uint32_t *value) {
  if (config_size < 0) return pread(config_fd, value, 4, at) == 4;
  if (at + 4 > (unsigned long)config_size) return 0;
  memcpy(value, config + at, 4);
  return 1;
}

static void capabilities(int dir) {
  uint32_t value, at;
  if (!dword(0x100, &value)) { // no PCI Express registers to be had: the kernel says what it knows of the link
    if (!attribute(dir, "current_link_speed")) return;
    attribute(dir, "current_link_width");
    attribute(dir, "max_link_speed");
    attribute(dir, "max_link_width");
    return;
  }
  if (!dword(0x04, &value) || !(value & 1 << 20) || !dword(0x34, &at)) return;
  for (int i = 0; i < 48 && (at &= 0xfc) >= 0x40 && dword(at, &value); i++) {
    if ((value & 0xff) == 0x10) { // PCI Express: link capabilities, link control and status
      uint32_t link;
      if (dword(at + 0x0c, &link)) sum += link;
      if (dword(at + 0x10, &link)) sum += link;
    }
    at = value >> 8;
  }
  at = 0x100;
  for (int i = 0; i < 480 && at >= 0x100 && dword(at, &value) && value != 0; i++) {
    if ((value & 0xffff) == 0x03) { // device serial number
      uint32_t half;
      if (dword(at + 4, &half)) sum += half;
      if (dword(at + 8, &half)) sum += half;
    }
    at = value >> 20 & 0xffc;
  }
}

static void function(int devices, const char *name, int live) {
  link_of(devices, name);
  int dir = openat(devices, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return;
  static const char *const attributes[] = {"uevent", "power/runtime_status", "label", "numa_node",
                                           "sriov_totalvfs", "resource"};
  static const char *const links[] = {"physfn", "driver", "iommu_group"};
  for (unsigned i = 0; i < sizeof attributes / sizeof *attributes; i++) attribute(dir, attributes[i]);
  for (unsigned i = 0; i < sizeof links / sizeof *links; i++) link_of(dir, links[i]);
  if ((config_fd = openat(dir, "config", O_RDONLY | O_CLOEXEC)) >= 0) {
    uint32_t value;
    config_size = live ? -1 : pread(config_fd, config, sizeof config, 0);
    if (dword(0x08, &value)) sum += value;
    capabilities(dir);
    close(config_fd);
  }
  close(dir);
}

static int scan(const char *sysfs) {
  char path[4096], **list = NULL;
  int count = 0, room = 0;
  struct statfs fs;
  struct dirent *entry;
  snprintf(path, sizeof path, "%s/bus/pci/devices", sysfs);
  DIR *devices = opendir(path);
  if (!devices) return -1;
  int fd = dirfd(devices), live = fstatfs(fd, &fs) == 0 && fs.f_type == 0x62656572;
  while ((entry = readdir(devices))) {
    if (entry->d_name[0] == '.') continue;
    if (count == room) list = realloc(list, (room = room ? 2 * room : 64) * sizeof *list);
    list[count++] = strdup(entry->d_name);
  }
  qsort(list, count, sizeof *list, names);
  for (int i = 0; i < count; i++) function(fd, list[i], live), free(list[i]);
  free(list);
  closedir(devices);
  snprintf(path, sizeof path, "%s/bus/pci/slots", sysfs);
  if ((devices = opendir(path))) {
    while ((entry = readdir(devices))) {
      if (entry->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "%s/address", entry->d_name);
      attribute(dirfd(devices), path);
    }
    closedir(devices);
  }
  return count;
}

int main(int argc, char **argv) {
  int runs = argc > 2 ? atoi(argv[2]) : 21, count = 0;
  if (argc < 2 || runs < 1) return 2;
  double *times = calloc(runs, sizeof *times);
  for (int run = 0; run < runs; run++) {
    double start = now();
    if ((count = scan(argv[1])) < 0) return 1;
    times[run] = now() - start;
  }
  qsort(times, runs, sizeof *times, compare);
  printf("%d functions: median %.3f best %.3f ms (%lu)\n", count, times[runs / 2], times[0], sum);
  return 0;
}
