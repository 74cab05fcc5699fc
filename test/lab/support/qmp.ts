/** QEMU's own control: docs/interop/qmp-spec.txt. */
export interface Qmp {
  /** Runs a command; its `return`. Throws with QEMU's words. */
  execute(command: string, given?: Record<string, unknown>): Promise<unknown>;
  /** Resolves with the next event of this name that is not passed over, also when it has come already. */
  event(name: string, wanted?: (data: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  close(): void;
}

interface Message {
  QMP?: unknown;
  id?: number;
  return?: unknown;
  error?: { class: string; desc: string };
  event?: string;
  data?: Record<string, unknown>;
}

/** Connects to the socket of a QEMU that runs. */
export async function connectQmp(path: string): Promise<Qmp> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const seen: { name: string; data: Record<string, unknown> }[] = [];
  const listeners = new Set<() => void>();
  let next = 0;
  let text = "";
  let over: Error | null = null;

  function take(message: Message): void {
    if (message.event !== undefined) {
      seen.push({ name: message.event, data: message.data ?? {} });
      for (const look of listeners) look();
    }
    const pending = message.id === undefined ? undefined : waiting.get(message.id);
    if (!pending || message.id === undefined) return;
    waiting.delete(message.id);
    if (message.error) pending.reject(new Error(`${message.error.class}: ${message.error.desc}`));
    else pending.resolve(message.return);
  }

  function end(cause: Error): void {
    over = cause;
    for (const { reject } of waiting.values()) reject(cause);
    for (const look of listeners) look();
  }

  const decoder = new TextDecoder();
  const socket = await Bun.connect({
    unix: path,
    socket: {
      data(_, bytes) {
        text += decoder.decode(bytes, { stream: true });
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) if (line.trim()) take(JSON.parse(line));
      },
      close: () => end(new Error("QEMU has ended")),
      error: (_, cause) => end(cause),
    },
  });

  const execute: Qmp["execute"] = (command, given = {}) => {
    if (over) return Promise.reject(over);
    const pending = Promise.withResolvers<unknown>();
    const id = next++;
    waiting.set(id, pending);
    socket.write(`${JSON.stringify({ execute: command, arguments: given, id })}\n`);
    return pending.promise;
  };

  await execute("qmp_capabilities");
  return {
    execute,
    event(name, wanted = () => true) {
      const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
      const look = () => {
        const at = seen.findIndex((one) => one.name === name && wanted(one.data));
        const [found] = at < 0 ? [] : seen.splice(at, 1);
        if (!found && !over) return;
        listeners.delete(look);
        if (found) resolve(found.data);
        else reject(over);
      };
      listeners.add(look);
      look();
      return promise;
    },
    close: () => socket.end(),
  };
}
