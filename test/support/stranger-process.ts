/** Runs test/support/stranger.ts as a process of its own. */
export async function startStranger(options: { port?: number; upstream?: string; type?: string }) {
  const script = new URL("./stranger.ts", import.meta.url).pathname;
  const { port = 0, upstream, type } = options;
  const at = upstream === undefined ? "-" : new URL(upstream).host;
  const child = Bun.spawn([process.execPath, script, String(port), at, ...(type ? [type] : [])], {
    stdout: "pipe",
    stderr: "inherit",
    stdin: "ignore",
  });
  const { value } = await child.stdout.getReader().read();
  const endpoint = new TextDecoder().decode(value).trim();
  if (!endpoint) throw new Error("the stranger did not start");
  return {
    endpoint,
    port: Number(endpoint.split(":")[1]),
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
