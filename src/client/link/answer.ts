import { problemResponse, SinewError } from "../../contract/problem.ts";
import type { World } from "../../world.ts";
import { type Call, type Handle, type Limits, MAX_REMEMBERED, sameBytes } from "./call.ts";
import { encodeFrame, encodeHead, MAX_BODY_HERE, type RequestHead } from "./frames.ts";
import { Outflow } from "./outflow.ts";

/** What of a link the answering of its calls needs. */
export interface Answering {
  readonly world: Pick<World, "timer" | "log">;
  readonly limits: Limits;
  readonly handle: Handle;
  /** Handlers and bodies that have not ended, those of cancelled calls too. */
  running: number;
  send(bytes: Uint8Array): void;
  pump(call: Call, outflow: Outflow): Promise<boolean>;
  writable(): Promise<void> | null;
  /** Ends a call for a reason that the far end is told of. */
  cancel(call: Call, reason: unknown): void;
  /** Ends a call, with its answer (null) or for a reason. */
  over(call: Call, reason: unknown): void;
}

/** The far end has no host name here: what handlers look at is the path. */
export const ORIGIN = "http://link";

/** Calls the handler and sends what it answers. Never rejects. */
export async function answer(
  link: Answering,
  call: Call,
  head: RequestHead,
  body: Uint8Array<ArrayBuffer>,
): Promise<void> {
  link.running += 1;
  try {
    const response = await respond(link, call, head, body);
    await deliver(link, call, await prepare(link, call, head, response));
  } catch (cause) {
    // The answer's head is out: that its body failed can be told by breaking off alone.
    if (!call.over) failed(link, head, cause);
    link.cancel(call, cause);
  } finally {
    link.running -= 1;
  }
}

async function respond(link: Answering, call: Call, head: RequestHead, body: Uint8Array<ArrayBuffer>) {
  // Twice: one that cancels and asks again is ahead of handlers that take their time to notice.
  if (link.running > 2 * link.limits.calls) {
    void call.inflow?.stream.cancel();
    return problemResponse(new SinewError("unavailable", "too many calls are under way on this link"));
  }
  let request: Request;
  try {
    request = new Request(`${ORIGIN}${head.path}`, {
      method: head.method,
      headers: head.headers,
      signal: call.answering?.signal ?? null,
      ...(head.body === undefined ? {} : { body: call.inflow?.stream ?? body, duplex: "half" }),
    });
  } catch (error) {
    return problemResponse(
      new SinewError("invalid", `not a request: ${error instanceof Error ? error.message : error}`),
    );
  }
  try {
    return await link.handle(request, (again) => {
      call.again = again;
    });
  } catch (cause) {
    return failed(link, head, cause);
  }
}

interface Prepared {
  payload: Uint8Array;
  /** The body is not in the payload. */
  follows: boolean;
}

/** The answer's frame. What fails here can still be told as a problem. */
async function prepare(link: Answering, call: Call, head: RequestHead, response: Response): Promise<Prepared> {
  try {
    const { status, headers, body } = response;
    if (status < 200) throw new RangeError(`expected an answer's status of 200 or more, got ${status}`);
    let here: Uint8Array | null = null;
    if (body) {
      call.outflow = new Outflow(body);
      // Stopped by a call that is over already, it ends at once.
      if (call.over) call.outflow.stop(null);
      here = await call.outflow.whole(MAX_BODY_HERE, link.world.timer);
    }
    const follows = body !== null && here === null;
    const kind = follows ? ("follows" as const) : ("here" as const);
    const payload = encodeHead({ status, headers: [...headers], ...(body ? { body: kind } : {}) }, here);
    if (!payload) throw new RangeError("an answer's head is too large for a link");
    return { payload, follows };
  } catch (cause) {
    call.outflow?.stop(cause);
    call.outflow = null;
    return prepare(link, call, head, failed(link, head, cause));
  }
}

async function deliver(link: Answering, call: Call, { payload, follows }: Prepared): Promise<void> {
  for (let wait = link.writable(); wait && !call.over; wait = link.writable()) await wait;
  if (call.over) return;
  const { remembered, outflow } = call;
  if (follows) {
    link.send(encodeFrame("response", call.id, payload));
    if (!outflow || !(await link.pump(call, outflow))) return;
    link.send(encodeFrame("end", call.id));
  } else if (remembered?.response && sameBytes(remembered.response, payload)) {
    remembered.again = call.again;
    link.send(encodeFrame("same-response", call.id));
  } else {
    if (remembered && payload.length <= MAX_REMEMBERED) {
      remembered.response = payload;
      remembered.again = call.again;
    }
    link.send(encodeFrame("response", call.id, payload));
  }
  link.over(call, null);
}

function failed(link: Answering, { method, path }: RequestHead, error: unknown): Response {
  const request_id = crypto.randomUUID();
  const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
  link.world.log("error", "a request over a link failed", { request_id, method, path, cause });
  const told = new SinewError("internal", "something went wrong here; the log has it under this request id");
  return problemResponse(told, {}, request_id);
}
