/** Kernel modules that register a device's algorithms, by the driver and the ids of the PCI function. */
const MODULES: Readonly<Record<string, string>> = {
  // The function's own driver is the transport; what it carries is known by the device id (virtio 1.3, 5.9).
  "virtio-pci 1af4:1054": "virtio_crypto",
};
const VIRTIO = "1af4";
const MOST = 256;

/** The module whose algorithms are a function's; null where none is known to be. */
export const cryptoModule = (driver: string | null, vendor: string, device: string): string | null =>
  vendor === VIRTIO ? (MODULES[`${driver} ${vendor}:${device}`] ?? null) : null;

/**
 * Algorithms by the module that registered them, sorted and each once, of /proc/crypto:
 *
 *     name         : cbc(aes)
 *     driver       : virtio_crypto_aes_cbc
 *     module       : virtio_crypto
 *
 * Entries are divided by empty lines; what has no name or no module is left out.
 */
export function parseCrypto(text: string): Map<string, string[]> {
  const found = new Map<string, Set<string>>();
  for (const entry of text.split(/\n\s*\n/)) {
    const name = /^name\s*:\s*([\x21-\x7e]{1,128})$/m.exec(entry)?.[1];
    const module = /^module\s*:\s*(\w{1,64})$/m.exec(entry)?.[1];
    if (name === undefined || module === undefined) continue;
    const names = found.get(module) ?? new Set();
    if (names.size < MOST) names.add(name);
    found.set(module, names);
  }
  return new Map([...found].map(([module, names]) => [module, [...names].sort()]));
}
