import type { Tls } from "../../serve.ts";

/** A certificate to show, and what of it others may pin. */
export interface Material {
  tls: Tls;
  /** The CA that signed it (PEM); null: one that the system knows, or does not. */
  ca: string | null;
  /** SHA-256 of the CA's DER, lower-case hex. */
  caHash: string | null;
  expires: Date;
}
