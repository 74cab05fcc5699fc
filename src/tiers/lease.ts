/** Seconds a hello holds: 10 for small fleets, a second per 1,000 children, 60 at most; `fixed` overrides. */
export const leaseSeconds = (children: number, fixed: number | null): number =>
  fixed ?? Math.min(60, Math.max(10, children / 1000));

/** A lease on a link, whose end shows when a node dies: what renewing costs a metered site counts for more. */
export const LINK_LEASE_SECONDS = 45;
