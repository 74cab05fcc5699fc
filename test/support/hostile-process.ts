import { HOSTILE } from "./hostile.ts";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  fetch(request) {
    const index = /^\/(\d+)\/hardware$/.exec(new URL(request.url).pathname)?.[1];
    return HOSTILE[Number(index)]?.answer(request) ?? new Response(null, { status: 404 });
  },
});
console.log(`http://127.0.0.1:${server.port}`);
