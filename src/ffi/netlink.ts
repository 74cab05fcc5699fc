import { readlinkSync, statfsSync, writeSync } from "node:fs";
import { ERRNO, errno, errnoName, openLibc } from "./libc.ts";

// linux/netlink.h, sys/socket.h, poll.h; the same on x86-64 and arm64.
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const CLOEXEC = 0o2000000;
const NETLINK_KOBJECT_UEVENT = 15;
/** The kernel's own messages; udev sends what it makes of them to group 2. */
const KERNEL_GROUP = 1;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const POLLIN = 1;
const ENOBUFS = 105;
/** What the kernel makes a message in (UEVENT_BUFFER_SIZE, linux/kobject.h), and room for a newer kernel's. */
const MESSAGE = 8 * 1024;
/** A burst of some thousand messages fits; without the right to have it the kernel gives net.core.rmem_max. */
const BUFFER = 4 * 2 ** 20;
/** sizeof(struct sockaddr_nl): family and padding, port id, groups; 4 bytes each. */
const ADDRESS = 12;

const open = () =>
  openLibc({
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
    recvfrom: { args: ["i32", "ptr", "u64", "i32", "ptr", "ptr"], returns: "i32" },
    poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
    eventfd: { args: ["u32", "i32"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
    __errno_location: { args: [], returns: "ptr" },
  });

/** A socket that hears the kernel's uevents, and what wakes the thread that waits at it. Descriptors of this process. */
export interface UeventSocket {
  readonly socket: number;
  readonly stop: number;
}

/**
 * Opens the socket: from now on nothing is missed. Throws an Error that says why uevents can't be had here: EPERM under a
 * seccomp filter, EAFNOSUPPORT in a sandbox, a user namespace that they don't reach.
 */
export function openUevents(): UeventSocket {
  const c = open();
  const failed = (what: string): Error => new Error(`${what}: ${errnoName(errno(c))}`);
  const socket = c.socket(AF_NETLINK, SOCK_RAW | CLOEXEC, NETLINK_KOBJECT_UEVENT);
  if (socket < 0) throw failed("no socket for uevents");
  const size = new Int32Array([BUFFER]);
  if (c.setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, size, 4) < 0)
    c.setsockopt(socket, SOL_SOCKET, SO_RCVBUF, size, 4);
  const address = new Uint32Array([AF_NETLINK, 0, KERNEL_GROUP]);
  const stop = c.bind(socket, address, ADDRESS) < 0 ? -1 : c.eventfd(0, CLOEXEC);
  if (stop >= 0) return { socket, stop };
  const error = failed("no socket for uevents");
  c.close(socket);
  throw error;
}

/** Has the thread that waits at the socket stop. */
export function stopUevents({ stop }: UeventSocket): void {
  writeSync(stop, new Uint8Array(new BigUint64Array([1n]).buffer));
}

/** What one receive gave; a message is valid until the next one. `ignored`: not from the kernel. */
export type Received = Uint8Array | "nothing" | "ignored" | "lost";

/** The thread's side: it blocks here and nowhere else. */
export function uevents({ socket, stop }: UeventSocket) {
  const c = open();
  const buffer = new Uint8Array(MESSAGE);
  const sender = new Uint32Array(ADDRESS / 4);
  const senderLength = new Uint32Array(1);
  // Two struct pollfd: a descriptor, then what to wait for and, in the upper half, what came. The one that stops is first.
  const both = new Int32Array([stop, POLLIN, socket, POLLIN]);

  /** False once told to stop. */
  function poll(descriptors: 1 | 2, timeoutMs: number): boolean {
    while (c.poll(both, descriptors, timeoutMs) < 0) {
      const code = errno(c);
      if (code !== ERRNO.EINTR) throw new Error(`cannot wait for uevents: ${errnoName(code)}`);
    }
    return both[1] === POLLIN;
  }

  return {
    /** Blocks until there is something to receive; false when told to stop. */
    wait: () => poll(2, -1),
    /** Blocks for so long whatever comes; false when told to stop. */
    pause: (ms: number) => poll(1, ms),
    receive(): Received {
      senderLength[0] = ADDRESS;
      const length = c.recvfrom(socket, buffer, MESSAGE, MSG_DONTWAIT | MSG_TRUNC, sender, senderLength);
      if (length < 0) {
        const code = errno(c);
        if (code === ERRNO.EAGAIN) return "nothing";
        if (code === ERRNO.EINTR) return "ignored";
        if (code === ENOBUFS) return "lost";
        throw new Error(`cannot receive uevents: ${errnoName(code)}`);
      }
      // Anyone with CAP_NET_ADMIN can send to the group; the kernel's port id is 0 and nobody else's is.
      if (senderLength[0] !== ADDRESS || sender[1] !== 0) return "ignored";
      return length > MESSAGE ? "lost" : buffer.subarray(0, length);
    },
    close(): void {
      c.close(socket);
      c.close(stop);
    },
  };
}

/** f_type of a real sysfs (linux/magic.h). */
const SYSFS_MAGIC = 0x62656572;
/** The inode of the namespace that the kernel starts with: PROC_USER_INIT_INO of linux/proc_ns.h. */
const FIRST_USER_NAMESPACE = "user:[4026531837]";

/** Why uevents tell nothing about the tree at `sysfs`; null where they do. */
export function whyDeaf(sysfs: string): string | null {
  if (statfsSync(sysfs).type !== SYSFS_MAGIC) return `${sysfs} is no sysfs of a running kernel`;
  // A socket is given in another namespace, too, and hears nothing (uevent_net_broadcast_untagged, lib/kobject_uevent.c).
  const namespace = readlinkSync("/proc/self/ns/user");
  return namespace === FIRST_USER_NAMESPACE ? null : "uevents do not reach this user namespace";
}
