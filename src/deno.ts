/** The parts of Deno's own API that are used here; its types are no dependency of ours. */
export interface DenoApi {
  serve(
    options: {
      hostname?: string;
      port?: number;
      path?: string;
      cert?: string;
      key?: string;
      reusePort?: boolean;
      signal: AbortSignal;
      onListen: () => void;
    },
    handler: (request: Request, info: { remoteAddr: { hostname?: string } }) => Response | Promise<Response>,
  ): { addr: { port?: number }; shutdown(): Promise<void>; finished: Promise<void> };
  createHttpClient(options: { proxy: { transport: "unix"; path: string } } | { caCerts: string[] }): { close(): void };
  upgradeWebSocket(request: Request, options: { idleTimeout: number }): { socket: WebSocket; response: Response };
  openSync(
    path: string,
    options: { read: boolean; write: boolean; create: boolean; mode: number },
  ): {
    /** flock(2), without waiting; false where another holds it. */
    tryLockSync(exclusive: boolean): boolean;
    truncateSync(length: number): void;
    writeSync(bytes: Uint8Array): number;
    readSync(bytes: Uint8Array): number | null;
    close(): void;
  };
  env: { toObject(): Record<string, string> };
}

/** Deno's API where that is the runtime, null elsewhere. */
export const deno = (): DenoApi | null => (globalThis as unknown as { Deno?: DenoApi }).Deno ?? null;
