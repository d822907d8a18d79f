/**
 * Counters of one worker, and how the pool adds them up. Labels are operation, status, worker and root; never a bucket, user or key, which
 * would make as many series as there are of them, and tell who does what to everybody who may read metrics.
 */
import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObject,
  Registry,
} from 'prom-client'
import type { ActiveDirectoryEvent } from '#auth'
import { createDirectoryMetrics } from './directory-metrics.ts'

import type { TrialOutcome } from './start-session.ts'

export type RequestFacts = {
  readonly operation: string
  readonly status: number
  readonly seconds: number
  readonly bytesIn: number
  readonly bytesOut: number
}

export type Metrics = {
  requestBegan(): void
  requestEnded(facts: RequestFacts): void
  auditLineLost(): void
  /** A file or directory that a reader may not see. */
  leftOutOfListing(): void
  directoryEvent(event: ActiveDirectoryEvent): void
  passwordTried(outcome: TrialOutcome): void
  /** For the pool, over IPC. */
  collect(): Promise<readonly MetricObject[]>
}

export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE

/** 1 ms … 1 min: a HEAD from the cache, a Complete with a copy. */
const LATENCY_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/**
 * Asked at each collection: `namespaceLoad`, how much waits for the file system, by name; `rootsAnswer`, whether they do, by the path of each
 * root of the configuration.
 */
export function createMetrics(options: {
  readonly worker: number
  readonly namespaceLoad?: () => Readonly<Record<string, number>>
  readonly rootsAnswer?: () => Readonly<Record<string, boolean>>
}): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ worker: String(options.worker) })
  collectDefaultMetrics({ register: registry, prefix: 'causeway_' })
  const registers = [registry]
  const requests = new Counter({
    name: 'causeway_requests_total',
    help: 'Requests answered',
    labelNames: ['operation', 'status'],
    registers,
  })
  const seconds = new Histogram({
    name: 'causeway_request_seconds',
    help: 'From the first header byte to the last byte of the answer',
    labelNames: ['operation'],
    buckets: LATENCY_BUCKETS_SECONDS,
    registers,
  })
  const bytesIn = new Counter({
    name: 'causeway_received_bytes_total',
    help: 'Bytes of request bodies',
    labelNames: ['operation'],
    registers,
  })
  const bytesOut = new Counter({
    name: 'causeway_sent_bytes_total',
    help: 'Bytes of response bodies',
    labelNames: ['operation'],
    registers,
  })
  const passwords = new Counter({
    name: 'causeway_password_trials_total',
    help: 'Passwords sent for temporary keys: right, wrong, or not tried because the client or the user had too many wrong ones',
    labelNames: ['outcome'],
    registers,
  })
  const leftOut = new Counter({
    name: 'causeway_listing_left_out_total',
    help: 'Files and directories left out of listings because their reader may not see them',
    registers,
  })
  const auditLinesLost = new Counter({
    name: 'causeway_audit_lines_lost_total',
    help: 'Lines that the audit file did not take',
    registers,
  })
  const inFlight = new Gauge({ name: 'causeway_requests_in_flight', help: 'Requests being served', registers })
  new Gauge({
    name: 'causeway_namespace_load',
    help: 'Jobs for the file system: queued, running, age of the oldest (oldestMs), given up but not back (hung)',
    labelNames: ['measure'],
    registers,
    collect() {
      for (const [measure, value] of Object.entries(options.namespaceLoad?.() ?? {})) this.set({ measure }, value)
    },
  })
  new Gauge({
    name: 'causeway_root_answers',
    help: '1 while the file system of a root answers, 0 while it hangs or cannot be reached',
    labelNames: ['root'],
    registers,
    collect() {
      for (const [root, answers] of Object.entries(options.rootsAnswer?.() ?? {})) this.set({ root }, Number(answers))
    },
  })
  const directory = createDirectoryMetrics(registers)
  return {
    directoryEvent: directory,
    requestBegan: () => inFlight.inc(),
    passwordTried: (outcome) => passwords.inc({ outcome }),
    requestEnded(facts) {
      const { operation } = facts
      inFlight.dec()
      requests.inc({ operation, status: String(facts.status) })
      seconds.observe({ operation }, facts.seconds)
      if (facts.bytesIn > 0) bytesIn.inc({ operation }, facts.bytesIn)
      if (facts.bytesOut > 0) bytesOut.inc({ operation }, facts.bytesOut)
    },
    auditLineLost: () => auditLinesLost.inc(),
    leftOutOfListing: () => leftOut.inc(),
    collect: () => registry.getMetricsAsJSON(),
  }
}

/** Prometheus' text of all workers that answered. */
export async function mergeMetrics(ofWorkers: readonly (readonly MetricObject[] | undefined)[]): Promise<string> {
  const answered = ofWorkers.filter((metrics) => metrics !== undefined)
  return AggregatorRegistry.aggregate(answered.map((metrics) => [...metrics])).metrics()
}
