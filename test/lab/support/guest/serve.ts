import { file } from "bun";

// What a guest's init runs: commands from the test outside, by HTTP. QEMU forwards one port of the host's loopback here;
// the secret of the run keeps other users of that host out.
const [, secret] = /\blab\.secret=(\S+)/.exec(await file("/proc/cmdline").text()) ?? [];

Bun.serve({
  port: 80,
  idleTimeout: 0,
  async fetch(request) {
    if (!secret || request.headers.get("authorization") !== `Bearer ${secret}`)
      return new Response(null, { status: 401 });
    if (request.method !== "POST") return new Response("ready");
    const { command, input } = (await request.json()) as { command: string[]; input?: string };
    const child = Bun.spawn(command, { stdin: new Blob([input ?? ""]), stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return Response.json({ code, stdout, stderr });
  },
  error: (cause) => Response.json({ code: 127, stdout: "", stderr: String(cause) }),
});
console.log("lab: ready");
