import type { Listener, Tls } from "../../serve.ts";
import type { World } from "../../world.ts";
import { reasonOf } from "../exit.ts";
import { isDue, makeLeaf, type Names, openAuthority } from "./authority.ts";
import { pemOf, readCertificates } from "./certificate.ts";
import { readFiles, stampOf, type TlsFiles } from "./files.ts";
import type { Material } from "./material.ts";

export interface TlsOptions {
  /** The state directory; a CA of one's own is in `tls/` in it. It exists already. */
  state: string;
  names: Names;
  /** Certificate files of the operator's; null: the own CA signs one. */
  files: TlsFiles | null;
  /** The file (PEM) of the CA whose certificates clients have to show. */
  clientCa: string | null;
  world: Pick<World, "now" | "timer" | "log">;
}

export interface OpenTls {
  tls: Tls;
  /** The CA to pin (PEM), and the SHA-256 of its DER in lower-case hex; null where the system's CAs have to know it. */
  ca: string | null;
  caHash: string | null;
  /** From now on the listener is given every new certificate. */
  onRenew(listener: Pick<Listener, "renew">): void;
  close(): void;
}

const CHECK_MS = 60_000;

/** The certificate to listen with. Throws Exit 1 for files that cannot be used. */
export async function openTls(options: TlsOptions): Promise<OpenTls> {
  const { world } = options;
  const source = options.files ? fromFiles(options, options.files) : await fromAuthority(options);
  let stamp = await source.stamp();
  let current = await source.read();
  let stopTimer = () => {};
  let closed = false;

  async function check(listener: Pick<Listener, "renew">): Promise<void> {
    const found = await source.stamp();
    if (found === stamp && !source.isDue(current)) return;
    try {
      const next = await source.read();
      if (closed) return;
      if (
        next.tls.cert !== current.tls.cert ||
        next.tls.key !== current.tls.key ||
        next.tls.clientCa !== current.tls.clientCa
      ) {
        await listener.renew(next.tls);
        if (next.caHash !== current.caHash) {
          world.log("warn", "the certificate's CA is another: who has pinned the old one has to join again", {
            old: current.caHash,
            new: next.caHash,
          });
        }
        current = next;
        world.log("info", "the certificate is renewed", { expires: next.expires.toISOString() });
      }
    } catch (error) {
      world.log("warn", "the new certificate cannot be used, and the old one stays", {
        error: reasonOf(error),
        expires: current.expires.toISOString(),
      });
    }
    // Also of what cannot be used: it is told of once, and read again when it has changed.
    stamp = found;
  }

  function again(listener: Pick<Listener, "renew">): void {
    stopTimer = world.timer(CHECK_MS, () => {
      void check(listener).finally(() => {
        if (!closed) again(listener);
      });
    });
  }

  const { tls, ca, caHash } = current;
  return {
    tls,
    ca,
    caHash,
    onRenew(listener) {
      stopTimer();
      again(listener);
    },
    close() {
      closed = true;
      stopTimer();
    },
  };
}

/** Where certificates come from. */
interface Source {
  /** Changes when there is something new to read. */
  stamp(): Promise<string>;
  isDue(current: Material): boolean;
  read(): Promise<Material>;
}

function fromFiles(options: TlsOptions, files: TlsFiles): Source {
  return {
    stamp: () => stampOf([files.cert, files.key, files.ca, options.clientCa]),
    isDue: () => false,
    read: async () => withClients(await readFiles(files, options.world.now()), options.clientCa),
  };
}

async function fromAuthority({ state, names, clientCa, world }: TlsOptions): Promise<Source> {
  const authority = await openAuthority(state, names.node);
  return {
    stamp: () => stampOf([clientCa]),
    isDue: ({ expires }) => isDue(expires, world.now()),
    read: async () => withClients(await makeLeaf(authority, names, world.now()), clientCa),
  };
}

async function withClients(material: Material, clientCa: string | null): Promise<Material> {
  if (clientCa === null) return material;
  return { ...material, tls: { ...material.tls, clientCa: pemOf(await readCertificates(clientCa)) } };
}
