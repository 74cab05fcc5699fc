import { ptr } from "bun:ffi";
import { readdirSync, readlinkSync } from "node:fs";
import { type Libc, libc } from "./libc.ts";

// asm-generic/socket.h; the same on x86-64 and arm64.
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const SO_ATTACH_REUSEPORT_CBPF = 51;

/**
 * Sends every new connection to the second of the sockets that share `port` by SO_REUSEPORT, and to the first while there
 * is no second; without it the kernel deals them out between both, and resets what the first has queued when it closes.
 * False where this cannot be done.
 */
export function preferSecond(port: number): boolean {
  const c = libc();
  const fd = listeningAt(c, port);
  if (fd === null) return false;
  // A struct sock_filter: BPF_RET | BPF_K with 1, the index in the order of bind(2); out of range it is ignored
  // (reuseport_select_sock). The one who closes gives its index to the last.
  const filter = new Uint8Array(8);
  new DataView(filter.buffer).setUint16(0, 0x06, true);
  new DataView(filter.buffer).setUint32(4, 1, true);
  // A struct sock_fprog: the number of instructions, and where they are.
  const program = new Uint8Array(16);
  new DataView(program.buffer).setUint16(0, 1, true);
  new DataView(program.buffer).setBigUint64(8, BigInt(ptr(filter)), true);
  const done = c.setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program, program.length) === 0;
  // ptr() does not keep it alive; this does, until after the call.
  return done && filter.length > 0;
}

/** A descriptor of this process that listens on that TCP port. */
function listeningAt(c: Libc, port: number): number | null {
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    if (isSocket(fd) && flag(c, fd, SO_ACCEPTCONN) && portOf(c, fd) === port) return fd;
  }
  return null;
}

function isSocket(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
  } catch {
    return false; // the descriptor that listed the folder is closed by now
  }
}

function flag(c: Libc, fd: number, option: number): boolean {
  const value = new Int32Array(1);
  return c.getsockopt(fd, SOL_SOCKET, option, value, new Uint32Array([4])) === 0 && value[0] === 1;
}

const AF_INET = 2;
const AF_INET6 = 10;

/** The port of a struct sockaddr_in or sockaddr_in6, which is at the same place; null for another family. */
function portOf(c: Libc, fd: number): number | null {
  const address = new Uint8Array(128);
  if (c.getsockname(fd, address, new Uint32Array([address.length])) !== 0) return null;
  const view = new DataView(address.buffer);
  return [AF_INET, AF_INET6].includes(view.getUint16(0, true)) ? view.getUint16(2) : null;
}
