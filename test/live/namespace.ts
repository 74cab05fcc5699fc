import { dlopen } from "bun:ffi";
import { openSync } from "node:fs";
import { openUevents, stopUevents } from "../../src/ffi/netlink.ts";
import { listen } from "../../src/live/uevents/listen.ts";

// A program for uevents.test.ts. In a network namespace of one's own: has the kernel broadcast uevents there, as it does for a device, and sends what
// pretends to be some. Nothing of it is heard outside.
const c = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i32" },
}).symbols;
const fd = c.socket(16, 3, 15); // AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT
const encoder = new TextEncoder();

const uevent = (action: string, devpath: string, subsystem = "pci"): Uint8Array =>
  encoder.encode(`${action}@${devpath}\0ACTION=${action}\0DEVPATH=${devpath}\0SUBSYSTEM=${subsystem}\0`);

/** The kernel gives it a sequence number and sends it on as its own (uevent_net_rcv_skb, lib/kobject_uevent.c, 4.18). */
function fromKernel(payload: Uint8Array): void {
  const message = new Uint8Array(16 + payload.length);
  const header = new DataView(message.buffer);
  header.setUint32(0, message.length, true);
  header.setUint16(4, 0x10, true); // NLMSG_MIN_TYPE
  header.setUint16(6, 1, true); // NLM_F_REQUEST
  message.set(payload, 16);
  send(message, 0);
}

/** The same bytes to the same group, from this process. */
const fromStranger = (payload: Uint8Array): void => send(payload, 1);

function send(bytes: Uint8Array, group: number): void {
  const to = new Uint32Array([16, 0, group]);
  const sent = c.sendto(fd, bytes, bytes.length, 0, to, 12);
  if (sent !== bytes.length) throw new Error(`sendto gave ${sent} for ${bytes.length} bytes`);
}

/** What a listener in this process hears of what is sent, until it has heard of `last`. */
async function heardOf(last: string, { send = () => {}, beforeListening = () => {}, onLost = () => {} }) {
  const all = { presence: new Set<string>(), other: new Set<string>(), lost: false };
  const socket = openUevents();
  beforeListening();
  await new Promise<void>((done, fail) => {
    const end = listen(socket, stopUevents, {
      heard({ presence, other, lost }) {
        for (const address of presence) all.presence.add(address);
        for (const address of other) all.other.add(address);
        all.lost ||= lost;
        if (lost) onLost();
        if (!presence.includes(last)) return;
        end();
        done();
      },
      failed: (why) => fail(new Error(why)),
    });
    send();
  });
  return { presence: [...all.presence], other: [...all.other], lost: all.lost };
}

const ROOT = "/devices/pci0000:00";
const END = "0000:00:1f.0";
const end = () => fromKernel(uevent("add", `${ROOT}/${END}`));

switch (process.argv[2]) {
  case "kernel": {
    const send = () => {
      fromStranger(uevent("remove", `${ROOT}/0000:00:09.0`));
      fromKernel(uevent("add", `${ROOT}/0000:00:01.0/0000:01:00.0`));
      fromKernel(uevent("bind", `${ROOT}/0000:00:02.0`));
      fromKernel(uevent("add", `${ROOT}/0000:00:03.0/nvme/nvme0`, "nvme"));
      fromKernel(uevent("add", `${ROOT}/0000:00:14.0/usb1/1-1`, "usb"));
      fromKernel(new Uint8Array(1500).fill(0xff));
      end();
    };
    console.log(JSON.stringify(await heardOf(END, { send })));
    break;
  }
  case "lost": {
    // Nobody reads yet: the socket overflows. Then somebody does, hears of that, and of all that comes afterwards.
    const beforeListening = () => {
      for (let i = 0; i < 20_000; i++) fromKernel(uevent("change", `${ROOT}/0000:00:02.0`));
    };
    const { lost } = await heardOf(END, { beforeListening, onLost: end });
    console.log(JSON.stringify({ lost }));
    break;
  }
  case "broken": {
    // It is given what is no socket.
    const { stop } = openUevents();
    const why = await new Promise<string>((failed) => {
      listen({ socket: openSync("/dev/null", "r"), stop }, stopUevents, { heard: () => {}, failed });
      setInterval(() => {}, 1000);
    });
    console.log(JSON.stringify({ why }));
    process.exit(0);
    break;
  }
  default:
    throw new Error(`kernel, lost or broken, got ${process.argv[2]}`);
}
