/**
 * A tier for any web-standard runtime: `bun src/worker.ts`, `deno serve -A --host 127.0.0.1 src/worker.ts`, or a platform
 * that calls `fetch(request, env)`. The role and its settings are in the environment, named as for `sinew start`:
 *
 *     SINEW_ROLE=conductor  SINEW_DB=sqlite:/var/lib/sinew/fleet.sqlite SINEW_STATE_DIR=/var/lib/sinew
 *     SINEW_ROLE=agent      SINEW_DRIVERS=none SINEW_NODE_ID=... SINEW_CONDUCTOR=URL SINEW_ENDPOINT=URL SINEW_AUTH=open
 *
 * In SINEW_STATE_DIR is the operator's token; without that directory callers need none (SINEW_AUTH=open). With it an agent
 * remembers its drivers across a restart, and on Bun it may have built-in ones.
 */
import { createWorker } from "./create/worker.ts";

// Bun serves a default export, on every interface and without TLS unless told otherwise.
export default { hostname: "127.0.0.1", ...createWorker() };
