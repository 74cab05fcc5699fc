import Counter from "prom-client/lib/counter.js";
import Gauge from "prom-client/lib/gauge.js";
import Histogram from "prom-client/lib/histogram.js";
import Registry from "prom-client/lib/registry.js";
import type { Role } from "../contract/version.ts";
import type { Measured, World } from "../world.ts";

/** One series of a family and its value now. */
export type Sample = [labels: Record<string, string>, value: number];

/** What is read when metrics are asked for, samples of one series being added up; null where it cannot be known now: then the family has no series. */
type Read = () => readonly Sample[] | null | Promise<readonly Sample[] | null>;

/** One tier's metrics, in a registry of its own: what is counted as it happens, and what is read when it is asked for. */
export interface Metrics {
  readonly contentType: string;
  /** Counts a request that was answered; `route` is its pattern, such as `/hardware/{uuid}`. */
  answered(request: { method: string; route: string; status: number; seconds: number }): void;
  /** For `World`. */
  measure(what: Measured): void;
  gauge(name: string, help: string, labels: readonly string[], read: Read): void;
  /** As a gauge, of what only grows while the process runs. */
  total(name: string, help: string, labels: readonly string[], read: Read): void;
  histogram(name: string, help: string, buckets: number[]): { observe(seconds: number): void };
  counter(name: string, help: string): { inc(): void };
  /** In the Prometheus text format. */
  text(): Promise<string>;
}

/** Seconds. A scan takes some milliseconds, a node that does not answer as long as it may. */
const WORK_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 120];
const REQUEST_BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30];
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
/** Others report to a tier under names that they choose. */
const MOST_SOURCES = 64;
const OTHER = "other";

export function createMetrics({ role, version }: { role: Role; version: string }, world: Pick<World, "log">): Metrics {
  const registry = new Registry();
  const registers = [registry];

  function family(name: string, help: string, labels: readonly string[], read: Read, type: "gauge" | "counter") {
    const options = {
      ...{ name, help, labelNames: [...labels], registers },
      async collect() {
        const samples = await Promise.resolve()
          .then(read)
          .catch((error) => {
            world.log("warn", "a metric could not be read", { metric: name, error: String(error) });
            return null;
          });
        // All anew: the series of what is no more must leave.
        own.reset();
        if (samples === null && labels.length === 0) own.remove();
        for (const [of, value] of samples ?? []) own.inc(of, value);
      },
    };
    const own = type === "gauge" ? new Gauge(options) : new Counter(options);
  }

  const requests = new Counter({
    ...{ name: "sinew_http_requests_total", help: "Requests answered, by route.", registers },
    labelNames: ["method", "route", "status"],
  });
  const durations = new Histogram({
    ...{ name: "sinew_http_request_duration_seconds", help: "How long an answer took, by route.", registers },
    ...{ labelNames: ["method", "route"], buckets: REQUEST_BUCKETS },
  });
  const of = role === "conductor" ? "`agent`: the node's agent" : "the driver";
  const work = (["pull", "discovery"] as const).map((kind) => {
    const what = kind === "pull" ? "Asking for a report" : "Looking for hardware";
    return {
      kind,
      seconds: new Histogram({
        ...{ name: `sinew_${kind}_duration_seconds`, help: `${what}: how long it took, by source (${of}).`, registers },
        ...{ labelNames: ["source"], buckets: WORK_BUCKETS },
      }),
      errors: new Counter({
        ...{ name: `sinew_${kind}_errors_total`, help: `${what}: how often it failed, by source (${of}).`, registers },
        labelNames: ["source", "code"],
      }),
    };
  });
  const sources = new Set<string>();
  const known = (source: string) => {
    if (sources.size < MOST_SOURCES) sources.add(source);
    return sources.has(source) ? source : OTHER;
  };

  const gauge: Metrics["gauge"] = (name, help, labels, read) => family(name, help, labels, read, "gauge");
  const total: Metrics["total"] = (name, help, labels, read) => family(name, help, labels, read, "counter");
  gauge("sinew_build_info", "1, with what this is in the labels.", ["role", "version"], () => [[{ role, version }, 1]]);
  gauge("process_start_time_seconds", "When the process began, since 1970.", [], () => [
    [{}, performance.timeOrigin / 1000],
  ]);
  gauge("process_resident_memory_bytes", "Memory that the process holds.", [], () => [[{}, process.memoryUsage.rss()]]);
  total("process_cpu_seconds_total", "CPU time of the process.", [], () => {
    const { user, system } = process.cpuUsage();
    return [[{}, (user + system) / 1e6]];
  });

  return {
    contentType: registry.contentType,
    answered({ method, route, status, seconds }) {
      const label = METHODS.has(method) ? method : OTHER;
      requests.inc({ method: label, route, status: String(status) });
      durations.observe({ method: label, route }, seconds);
    },
    measure({ kind, source, seconds, error }) {
      const family = work.find((one) => one.kind === kind);
      const label = known(source);
      family?.seconds.observe({ source: label }, seconds);
      if (error !== null) family?.errors.inc({ source: label, code: error });
    },
    gauge,
    total,
    histogram: (name, help, buckets) => new Histogram({ name, help, buckets, registers }),
    counter: (name, help) => new Counter({ name, help, registers }),
    text: () => registry.metrics(),
  };
}

/** What is read once for all families of one scrape. */
export function perScrape<T>(world: Pick<World, "monotonic">, load: () => Promise<T>): () => Promise<T> {
  let at = Number.NEGATIVE_INFINITY;
  let loaded: Promise<T> | null = null;
  return () => {
    if (loaded === null || world.monotonic() - at > 1_000) {
      at = world.monotonic();
      loaded = load();
    }
    return loaded;
  };
}
