/**
 * A tier for any web-standard runtime: `bun src/worker.ts`, `deno serve -A --host 127.0.0.1 src/worker.ts`, or a platform
 * that calls `fetch(request, env)`. The role and its settings are in the environment, named as for `sinew start`:
 *
 *     SINEW_ROLE=conductor  SINEW_DB=sqlite:/var/lib/sinew/fleet.sqlite
 *     SINEW_ROLE=agent      SINEW_DRIVERS=none SINEW_NODE_ID=... SINEW_CONDUCTOR=URL SINEW_ENDPOINT=URL
 *
 * With SINEW_STATE_DIR an agent remembers its drivers across a restart, and on Bun it may have built-in ones.
 */
import { createWorker } from "./create/worker.ts";

// Bun serves a default export, on every interface unless told otherwise; whoever connects needs no credentials yet.
export default { hostname: "127.0.0.1", ...createWorker() };
