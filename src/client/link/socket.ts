/** One WebSocket, either side, binary messages only. Its owner sets the handlers before anything else happens. */
export interface Socket {
  /** Queues one message; false: the socket is closed or the message was dropped, and it will never arrive. */
  send(bytes: Uint8Array): boolean;
  /** Bytes queued and not yet given to the network. */
  readonly buffered: number;
  close(code: number, reason: string): void;
  onMessage: (bytes: Uint8Array) => void;
  onDrain: () => void;
  onClose: (reason: string) => void;
  /** The far end's address; null where it is not known. */
  readonly remoteAddress: string | null;
}
