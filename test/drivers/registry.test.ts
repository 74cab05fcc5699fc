import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { DeviceType } from "../../src/contract/hardware.ts";
import { generic } from "../../src/drivers/generic.ts";
import { ID_TABLES } from "../../src/drivers/ids.ts";
import { classify, kinds } from "../../src/drivers/registry.ts";
import type { PciFunction } from "../../src/pci/function.ts";
import { pciFunction, vfOf } from "./functions.ts";

const typeOf = (id: string, pciClass: string, given: Partial<PciFunction> = {}) =>
  classify(pciFunction(id, pciClass, given))?.kind.deviceType ?? null;

/** What each function of one device adds to the count of cards. */
const counts = (functions: PciFunction[]) => functions.map((fn) => classify(fn, functions)?.claim.num ?? null);

describe("classify() by class", () => {
  test.each<[string, DeviceType]>([
    ["0300", "GPU"],
    ["0302", "GPU"],
    ["0380", "GPU"],
    ["1200", "AICHIP"],
    ["1201", "DSA"],
    ["0108", "SSD"],
    ["0200", "NIC"],
    ["0207", "NIC"],
    ["0280", "NIC"],
    ["1000", "CRYPTO"],
  ])("%s with unknown ids is %s", (pciClass, type) => {
    expect(typeOf("abcd:0001", pciClass)).toBe(type);
  });

  test.each(["0b40", "1080", "0880", "0680", "1180", "0403", "0604", "0580", "0000", "ffff", "0106", "0301"])(
    "%s says nothing by itself",
    (pciClass) => {
      expect(typeOf("abcd:0001", pciClass)).toBeNull();
    },
  );

  test("takes any programming interface", () => {
    expect(typeOf("abcd:0001", "010802")).toBe("SSD");
    expect(typeOf("abcd:0001", "010803")).toBe("SSD");
  });
});

describe("classify() by ids, before the class", () => {
  test("has one kind for every listed device, and none for the excluded, whatever the class", () => {
    for (const [type, groups] of ID_TABLES) {
      for (const [id] of groups.flatMap((group) => group.ids)) {
        for (const pciClass of ["1200", "0302", "0b40", "0000", "0580"]) expect(typeOf(id, pciClass)).toBe(type);
      }
    }
  });

  test("at most one kind claims any function", () => {
    const hex = (digits: number) =>
      fc.integer({ min: 0, max: 16 ** digits - 1 }).map((n) => n.toString(16).padStart(digits, "0"));
    const vendors = fc.oneof(hex(4), fc.constantFrom("10de", "1002", "8086", "10ee", "1172", "1ed5", "1af4"));
    const classes = fc.oneof(hex(4), fc.constantFrom("0300", "0302", "1200", "0108", "0200", "1000"));
    fc.assert(
      fc.property(vendors, hex(4), classes, (vendor, device, pciClass) => {
        const fn = pciFunction(`${vendor}:${device}`, pciClass);
        const claimed = kinds.filter((kind) => kind.claim(fn) !== null);
        expect(claimed.length).toBeLessThanOrEqual(1);
        expect(generic.claim(fn) === null).toBe(claimed.length === 1);
        expect(classify(fn)?.kind).toBe(claimed[0]);
      }),
    );
  });

  test("FPGA, FEC and GPU ids decide before class 1200", () => {
    expect(typeOf("8086:09c4", "1200")).toBe("FPGA");
    expect(typeOf("8086:0d5c", "1200")).toBe("FEC");
    expect(typeOf("1172:5052", "1200")).toBe("FEC");
    expect(typeOf("1002:74a5", "1200")).toBe("GPU");
    expect(typeOf("1014:044b", "1200")).toBe("CRYPTO");
  });

  test("QuickAssist is CRYPTO, and IAA goes with DSA", () => {
    expect(typeOf("8086:37c8", "0b40")).toBe("CRYPTO");
    expect(typeOf("8086:0b25", "0880")).toBe("DSA");
    expect(typeOf("8086:0cfe", "0880")).toBe("DSA");
  });

  test("a load balancer is no accelerator of ours", () => {
    expect(typeOf("8086:2710", "0b40")).toBeNull();
  });
});

describe("classify() remembers what recorded hosts taught", () => {
  test("NVIDIA data-centre GPUs are 0302, but V100 DGXS and GB10 are 0300", () => {
    expect(typeOf("10de:20b0", "0302")).toBe("GPU");
    expect(typeOf("10de:1db2", "0300")).toBe("GPU");
    expect(typeOf("10de:2e12", "0300")).toBe("GPU");
  });

  test("an NVSwitch is no GPU", () => {
    expect(typeOf("10de:1af1", "0680")).toBeNull();
  });

  test.each(["1a03:2000", "102b:0532", "102b:0534", "102b:0536", "102b:0538", "1002:515e", "19e5:1711"])(
    "the display of a management controller is no GPU: %s",
    (id) => {
      expect(typeOf(id, "0300")).toBeNull();
    },
  );

  test.each(["1af4:1050", "15ad:0405", "1234:1111", "1013:00b8", "1b36:0100", "80ee:beef"])(
    "a virtual display is no GPU: %s",
    (id) => {
      expect(typeOf(id, "0300")).toBeNull();
    },
  );

  test("the 18 functions of class 1080 in a DGX A100 are no crypto card", () => {
    expect(typeOf("1022:1486", "1080")).toBeNull();
    expect(typeOf("1022:1498", "1080")).toBeNull();
  });

  test("a virtio crypto device of class 1080 is one", () => {
    expect(typeOf("1af4:1054", "1080")).toBe("CRYPTO");
  });

  test("Coral is an AICHIP although its class is 0000ff", () => {
    expect(typeOf("1ac1:089a", "0000ff")).toBe("AICHIP");
  });

  test("a VCK5000 is an FPGA although it says it is a memory controller", () => {
    expect(typeOf("10ee:5048", "0580")).toBe("FPGA");
  });

  test("QEMU's test device is no AI chip although it can say 1200", () => {
    expect(typeOf("1b36:0005", "1200")).toBeNull();
  });

  test("an Alveo is two functions and one card, and its user function is what counts", () => {
    const management = pciFunction("10ee:5000", "1200", { address: "0000:af:00.0" });
    const user = pciFunction("10ee:5001", "1200", { address: "0000:af:00.1" });
    expect(counts([management, user])).toEqual([0, 1]);
    expect(counts([user, management])).toEqual([1, 0]);
  });

  test("an Alveo of which only one function is there is still a card", () => {
    expect(counts([pciFunction("10ee:5000", "1200")])).toEqual([1]);
    expect(counts([pciFunction("10ee:5001", "1200")])).toEqual([1]);
    expect(counts([pciFunction("10ee:d000", "1200")])).toEqual([1]);
    expect(classify(pciFunction("10ee:5000", "1200"))?.claim.num).toBe(1);
  });

  test("two Alveos are two cards", () => {
    const card = (bus: string) => [
      pciFunction("10ee:5004", "1200", { address: `0000:${bus}:00.0` }),
      pciFunction("10ee:5005", "1200", { address: `0000:${bus}:00.1` }),
    ];
    expect([...counts(card("3b")), ...counts(card("af"))]).toEqual([0, 1, 0, 1]);
  });

  test("a Xilinx card whose second function has an unpublished id is one card", () => {
    const v80 = [
      pciFunction("10ee:50b4", "1200", { address: "0000:af:00.0" }),
      pciFunction("10ee:50b5", "1200", { address: "0000:af:00.1" }),
    ];
    expect(counts(v80)).toEqual([1, 0]);
  });

  test("the ports of a network card count by function", () => {
    const ports = ["0000:01:00.0", "0000:01:00.1"].map((address) => pciFunction("15b3:101b", "0207", { address }));
    expect(counts(ports)).toEqual([1, 1]);
  });
});

describe("a VF", () => {
  test("adds nothing to the count, whatever its id", () => {
    const flex = pciFunction("8086:56c0", "0380", { address: "0000:4d:00.1", ...vfOf("0000:4d:00.0") });
    expect(classify(flex)).toMatchObject({ kind: { name: "gpu" }, claim: { num: 0 } });
    const ethernet = pciFunction("8086:1520", "0200", vfOf("0000:01:00.0"));
    expect(classify(ethernet)).toMatchObject({ kind: { name: "nic" }, claim: { num: 0 } });
  });

  test("is known by its id in a guest, where no PF is visible", () => {
    expect(classify(pciFunction("8086:37c9", "0b40"))?.claim.num).toBe(0);
    expect(classify(pciFunction("1002:74b5", "1200"))).toMatchObject({ kind: { name: "gpu" }, claim: { num: 0 } });
  });

  test("leaves its PF a card", () => {
    const sriov = { total: 16, enabled: 4, pf: null, vf_index: null };
    expect(classify(pciFunction("8086:4940", "0b40", { sriov }))?.claim.num).toBe(1);
  });
});

describe("generic", () => {
  test("counts a bridge, and neither the audio of a GPU nor a VF", () => {
    const gpu = pciFunction("10de:2204", "0300", { address: "0000:01:00.0" });
    const audio = pciFunction("10de:1aef", "0403", { address: "0000:01:00.1" });
    expect(classify(audio, [gpu, audio])).toBeNull();
    expect(generic.claim(audio, [gpu, audio])?.num).toBe(0);
    expect(generic.claim(pciFunction("8086:2020", "0604"))?.num).toBe(1);
    expect(generic.claim(pciFunction("abcd:0001", "ff00", vfOf("0000:01:00.0")))?.num).toBe(0);
    expect(generic.claim(gpu, [gpu, audio])).toBeNull();
  });
});

describe("kinds", () => {
  test("have one name and one device type each", () => {
    expect(new Set(kinds.map((kind) => kind.name)).size).toBe(kinds.length);
    const types: DeviceType[] = ["AICHIP", "CRYPTO", "DSA", "FEC", "FPGA", "GPU", "NIC", "SSD"];
    expect(kinds.map((kind) => kind.deviceType).sort()).toEqual(types);
  });
});
