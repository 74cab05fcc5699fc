import { KeyObject, sign, verify } from "node:crypto";
import type { Dice } from "./dice.ts";

const swap = (target: object, replaced: Record<string, unknown>): (() => void) => {
  const before = new Map(Object.keys(replaced).map((name) => [name, Object.getOwnPropertyDescriptor(target, name)]));
  for (const [name, value] of Object.entries(replaced))
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
  return () => {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(target, name, descriptor);
      else Reflect.deleteProperty(target, name);
    }
  };
};

type Bytes = ArrayBuffer | ArrayBufferView;

const bytesOf = (data: Bytes) =>
  data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/**
 * Takes from the platform what would make two runs of one seed differ: random bytes come from the seed, what WebCrypto does
 * in threads of its own is done at once, and so is what waits for a turn of the event loop. The result gives it back.
 */
export function determined(dice: Dice): () => void {
  const importKey = crypto.subtle.importKey.bind(crypto.subtle) as (...all: unknown[]) => Promise<CryptoKey>;
  const undo = [
    // How many turns of the event loop pass while a file is opened is chance.
    swap(globalThis, { setImmediate: (work: () => void) => queueMicrotask(work) }),
    swap(crypto, {
      randomUUID: () => dice.uuid(),
      getRandomValues: <T extends ArrayBufferView>(view: T) => {
        dice.fill(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
        return view;
      },
    }),
    swap(crypto.subtle, {
      // Such as can be used below.
      importKey: (...[format, data, algorithm, , usages]: Parameters<SubtleCrypto["importKey"]>) =>
        importKey(format, data, algorithm, true, usages),
      digest: async (algorithm: string | { name: string }, data: Bytes) => {
        const name = typeof algorithm === "string" ? algorithm : algorithm.name;
        const hasher = new Bun.CryptoHasher(name.replace("-", "").toLowerCase() as Bun.SupportedCryptoAlgorithms);
        return new Uint8Array(hasher.update(bytesOf(data)).digest()).buffer;
      },
      sign: async (_: unknown, key: CryptoKey, data: Bytes) =>
        new Uint8Array(sign(null, bytesOf(data), KeyObject.from(key))).buffer,
      verify: async (_: unknown, key: CryptoKey, signature: Bytes, data: Bytes) =>
        verify(null, bytesOf(data), KeyObject.from(key), bytesOf(signature)),
    }),
  ];
  return () => {
    for (const one of undo) one();
  };
}
