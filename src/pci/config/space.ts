/** Read access to a function's config space; `size` bytes can be read: 64 without privileges, 256 (PCI), 4096 (PCIe). */
export interface ConfigSpace {
  readonly size: number;
  /** The little-endian dword at `offset`, a multiple of 4 below `size`. Throws RangeError outside. */
  u32(offset: number): number;
}
