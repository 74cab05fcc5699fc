import { expect, test } from "bun:test";
import type { Hardware, Serial } from "../../../src/contract/hardware.ts";
import { fromScan } from "../../../src/drivers/discover.ts";
import { identify, knownOf } from "../../../src/tiers/agent/identity.ts";
import { pciFunction } from "../../drivers/functions.ts";

const node = { id: "6f1a3f0e-9f57-4c8e-8f5e-0d0c1a2b3c4d", name: "rack-7" };
const DSN: Serial = { kind: "dsn", value: "00-25-38-ab-cd-ef-01-02" };
const NVME: Serial = { kind: "nvme", value: "S64FNE0R901234" };

/** An SSD as its driver reports it. */
function ssd(serials: Serial[], path = "0000:00/01.0/00.0"): Hardware {
  const fn = pciFunction("144d:a824", "010802", { kernel_driver: "nvme", serials, path });
  const [device] = fromScan({ functions: [fn], problems: [] }, { node, now: new Date() }).hardware;
  if (!device) throw new Error("no SSD");
  return device;
}
/** The uuid that a device is given by an agent that knows `before`. */
const given = (before: Hardware, now: Hardware) => identify([now], [knownOf(before)])[0]?.uuid;

test("an SSD whose serial number shows only when its driver is bound stays the same device", () => {
  for (const [before, now] of [
    [[], [NVME]],
    [[NVME], []],
    [[DSN], [DSN, NVME]],
    [[DSN, NVME], [DSN]],
    [[NVME], [DSN]],
  ] as const) {
    const known = ssd([...before]);
    expect(given(known, ssd([...now]))).toBe(known.uuid);
  }
});

test("an SSD that moved is followed by the serial number of its controller; another one in its place is another", () => {
  const known = ssd([NVME]);
  expect(given(known, ssd([NVME], "0000:00/02.0/00.0"))).toBe(known.uuid);
  expect(given(known, ssd([{ kind: "nvme", value: "S64FNE0R999999" }]))).not.toBe(known.uuid);
});
