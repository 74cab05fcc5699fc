/** `1 device`, `2 devices` */
export const count = (of: number, one: string): string => `${of} ${one}${of === 1 ? "" : "s"}`;
