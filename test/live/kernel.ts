import { dlopen } from "bun:ffi";

// In a network namespace of one's own: has the kernel broadcast uevents there, as it does for a device, and sends what
// pretends to be some. Nothing of it is heard outside.
const c = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i32" },
}).symbols;
const fd = c.socket(16, 3, 15); // AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT
const encoder = new TextEncoder();

export const uevent = (action: string, devpath: string, subsystem = "pci"): Uint8Array =>
  encoder.encode(`${action}@${devpath}\0ACTION=${action}\0DEVPATH=${devpath}\0SUBSYSTEM=${subsystem}\0`);

/** The kernel gives it a sequence number and sends it on as its own (uevent_net_rcv_skb, lib/kobject_uevent.c, 4.18). */
export function fromKernel(payload: Uint8Array): void {
  const message = new Uint8Array(16 + payload.length);
  const header = new DataView(message.buffer);
  header.setUint32(0, message.length, true);
  header.setUint16(4, 0x10, true); // NLMSG_MIN_TYPE
  header.setUint16(6, 1, true); // NLM_F_REQUEST
  message.set(payload, 16);
  send(message, 0);
}

/** The same bytes to the same group, from this process. */
export const fromStranger = (payload: Uint8Array): void => send(payload, 1);

function send(bytes: Uint8Array, group: number): void {
  const to = new Uint32Array([16, 0, group]);
  const sent = c.sendto(fd, bytes, bytes.length, 0, to, 12);
  if (sent !== bytes.length) throw new Error(`sendto gave ${sent} for ${bytes.length} bytes`);
}
