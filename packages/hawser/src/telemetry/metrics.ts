import type { MountStatistics } from '../mount/types.js'

/** Prometheus' text format, version 0.0.4. */
export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8'

export interface MetricsInput {
  mountpoint: string
  source: string
  engine: string
  version: string
  statistics: MountStatistics
  /** Upper bounds of the histogram's buckets; the last bucket's is not used, because it has none. */
  boundsNanoseconds: readonly number[]
  /** Whether the kernel may read and write files by itself, uncounted. */
  passthrough: boolean
  /** Seconds since the epoch. */
  startTime: number
  residentBytes: number
  heapBytes: number
  /** CPU time of the process, seconds. */
  cpuSeconds: number
}

type Labels = Record<string, string>
interface Sample {
  labels: Labels
  value: number
  suffix?: string
}

/** Everything that one mount's process can tell. */
export function exposition(input: MetricsInput): string {
  const { statistics, mountpoint } = input
  const own: Labels = { mountpoint }
  const perOperation = (value: (row: MountStatistics['operations'][number]) => number): Sample[] =>
    statistics.operations.map((row) => ({ labels: { ...own, operation: row.operation }, value: value(row) }))
  const one = (value: number): Sample[] => [{ labels: own, value }]
  const info = { ...own, source: input.source, engine: input.engine, version: input.version }
  return [
    family('hawser_mount_info', 'gauge', 'What is mounted.', [{ labels: info, value: 1 }]),
    family(
      'hawser_fuse_operation_duration_seconds',
      'histogram',
      'From reading a request of the kernel to writing its reply.',
      statistics.operations.flatMap((row) =>
        histogram({ ...own, operation: row.operation }, row, input.boundsNanoseconds),
      ),
    ),
    family(
      'hawser_fuse_operation_errors_total',
      'counter',
      'Requests answered with an errno.',
      perOperation((row) => row.errors),
    ),
    family(
      'hawser_fuse_bytes_total',
      'counter',
      'Payload that went through this process; files that the kernel serves itself are not in it.',
      // A zero would claim that nothing was read, where the kernel may have read it without telling.
      perOperation((row) => row.bytes).filter(
        ({ labels, value }) => isTransfer(labels.operation) && (value > 0 || !input.passthrough),
      ),
    ),
    family('hawser_fuse_requests_in_flight', 'gauge', 'Requests being worked on.', one(statistics.inFlight)),
    family(
      'hawser_fuse_stalls_total',
      'counter',
      'Requests that the limits made wait.',
      one(statistics.stalls),
    ),
    family('hawser_fuse_nodes', 'gauge', 'Nodes that the kernel refers to.', one(statistics.nodes)),
    family('hawser_fuse_handles', 'gauge', 'Open files and directories.', one(statistics.handles)),
    family(
      'hawser_fuse_kernel_passthrough_handles',
      'gauge',
      'Open files that the kernel reads and writes itself.',
      one(statistics.kernelPassthrough),
    ),
    family('process_resident_memory_bytes', 'gauge', 'Resident memory.', one(input.residentBytes)),
    family('process_heap_bytes', 'gauge', 'Heap in use by JavaScript.', one(input.heapBytes)),
    family('process_cpu_seconds_total', 'counter', 'CPU time, user and system.', one(input.cpuSeconds)),
    family('process_start_time_seconds', 'gauge', 'Start, in seconds since the epoch.', one(input.startTime)),
  ].join('')
}

/** Operations that carry a file's contents. */
export function isTransfer(operation: string): boolean {
  return operation === 'read' || operation === 'write'
}

function histogram(
  labels: Labels,
  row: MountStatistics['operations'][number],
  bounds: readonly number[],
): Sample[] {
  const samples: Sample[] = []
  let cumulative = 0
  row.histogram.forEach((count, bucket) => {
    cumulative += count
    const last = bucket === row.histogram.length - 1
    const le = last ? '+Inf' : String(bounds[bucket] / 1e9)
    samples.push({ suffix: '_bucket', labels: { ...labels, le }, value: cumulative })
  })
  samples.push({ suffix: '_sum', labels, value: row.nanoseconds / 1e9 })
  // Not row.count: a scrape between the addon's two increments must still be consistent.
  samples.push({ suffix: '_count', labels, value: cumulative })
  return samples
}

function family(name: string, type: string, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return ''
  const lines = samples.map(
    ({ suffix = '', labels, value }) => `${name}${suffix}{${formatLabels(labels)}} ${value}\n`,
  )
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

function formatLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`)
    .join(',')
}
