import { join } from 'node:path'
import { run } from './processes.js'
import type { Family, Profile } from './servers.js'
import { treeParts, treeWorkload } from './source-tree.js'
import type { Sample } from './statistics.js'

export interface Measurement {
  /** The mounted directory, or the source itself. */
  path: string
  source: string
  /** A directory of this server's own, as seen through `path`. */
  work: string
  client: string
  cpu: number | undefined
  seconds: number
  warmup: number
  bytes: number
  archive: () => Promise<string>
}

export type Unit = 'operations' | 'bytes' | 'files'

export interface Row {
  id: string
  title: string
  family: Exclude<Family, 'native'>
  profile: Profile
  /** Client and server are kept on this CPU; without it the scheduler decides, as in real use. */
  cpu?: number
  /** A new mount for every run: nothing is known to the kernel or to the server. */
  fresh?: boolean
  unit: Unit
  /** Long rows run fewer rounds. */
  maxRounds?: number
  /** Requests that one operation must cause; and whether the data must not pass through the server. */
  requests: { atLeast?: number; noData?: boolean }
  /** What hawser must reach, in rates. */
  target?: { against: 'libfuse' | 'native'; ratio: number }
  parts?: readonly string[]
  measure: (measurement: Measurement) => Promise<Sample[]>
}

export const entryCount = 10_000

function client(
  operation: string,
  where: (measurement: Measurement) => string,
  ...flags: string[]
): Row['measure'] {
  return async (measurement) => {
    const { client, cpu, seconds, warmup, bytes } = measurement
    const argv = [
      ...[client, operation, where(measurement), ...flags],
      ...['--seconds', String(seconds), '--warmup', String(warmup), '--bytes', String(bytes)],
      ...(cpu === undefined ? [] : ['--cpu', String(cpu)]),
    ]
    const { stdout } = await run(argv, { timeoutMs: 60_000 + seconds * 20_000 })
    return [JSON.parse(stdout) as Sample]
  }
}

const data = ({ path }: Measurement) => join(path, 'data')
const entries = ({ path }: Measurement) => join(path, 'entries')
const work = ({ work }: Measurement) => work
const written = ({ work }: Measurement) => join(work, 'written')

/** Cold reads forget the pages of the mount and those beneath. */
function cold(operation: string, ...flags: string[]): Row['measure'] {
  return (measurement) =>
    client(operation, data, ...flags, '--cold', '--backing', join(measurement.source, 'data'))(measurement)
}

function roundTrips(family: 'memory' | 'passthrough'): Row[] {
  const kinds = [
    { id: 'getattr', title: 'getattr', operation: 'fstat' },
    { id: 'read4k', title: '4 KiB read', operation: 'pread' },
  ]
  const placements = [
    { id: 'pinned', title: '1 client, pinned', clients: 1, cpu: 0 },
    { id: 'c1', title: '1 client', clients: 1 },
    { id: 'c2', title: '2 clients', clients: 2 },
    { id: 'c8', title: '8 clients', clients: 8 },
  ]
  return kinds.flatMap((kind) =>
    placements.map(({ id, title, clients, cpu }): Row => {
      return {
        id: `${family}-${kind.id}-${id}`,
        title: `${kind.title} round trip, ${family}, ${title}`,
        family,
        profile: 'uncached',
        ...(cpu === undefined ? {} : { cpu }),
        unit: 'operations',
        requests: { atLeast: 0.99 },
        ...(cpu === undefined ? {} : { target: { against: 'libfuse', ratio: 1 } }),
        measure: client(kind.operation, data, '--clients', String(clients)),
      }
    }),
  )
}

/** The same operation with everything on one CPU, and where the scheduler puts it. */
function pinnedAndNot(row: Row, pinnedTarget = row.target): Row[] {
  const { target: _, ...rest } = row
  return [
    {
      ...rest,
      id: `${row.id}-pinned`,
      title: `${row.title}, pinned`,
      cpu: 0,
      ...(pinnedTarget && { target: pinnedTarget }),
    },
    row,
  ]
}

function passthrough(id: string, title: string, measure: Row['measure'], rest: Partial<Row> = {}): Row {
  return {
    id,
    title,
    family: 'passthrough',
    profile: 'cached',
    unit: 'operations',
    requests: {},
    measure,
    ...rest,
  }
}

const block = ['--block', String(2 ** 20)]
const bytes: Partial<Row> = { unit: 'bytes', maxRounds: 9 }
const kernel: Partial<Row> = {
  profile: 'kernel-passthrough',
  requests: { noData: true },
  target: { against: 'native', ratio: 0.95 },
}
const libfuseTarget = (ratio: number): Row['target'] => ({ against: 'libfuse', ratio })

export const rows: readonly Row[] = [
  ...roundTrips('memory'),
  ...roundTrips('passthrough'),
  ...pinnedAndNot(
    passthrough('create-unlink', 'create + close + unlink', client('create-unlink', work), {
      requests: { atLeast: 3 },
      target: libfuseTarget(1.2),
    }),
  ),
  ...pinnedAndNot(
    passthrough(
      'create-unlink-uncached',
      'create + close + unlink, timeouts 0',
      client('create-unlink', work),
      {
        profile: 'uncached',
        requests: { atLeast: 3 },
      },
    ),
  ),
  ...pinnedAndNot(
    passthrough('open-close', 'open + close', client('open-close', data), { requests: { atLeast: 1 } }),
  ),
  passthrough(
    'readdir-stat',
    `readdir + stat of ${entryCount} files, new mount`,
    (measurement) =>
      client(
        'readdir-stat',
        entries,
        '--count',
        String(entryCount),
      )({ ...measurement, warmup: 0, seconds: 0 }),
    { fresh: true, requests: { atLeast: 0.005 } },
  ),
  passthrough(
    'readdir-stat-uncached',
    `readdir + stat of ${entryCount} files, timeouts 0`,
    client('readdir-stat', entries, '--count', String(entryCount)),
    { profile: 'uncached', requests: { atLeast: 0.9 } },
  ),
  passthrough('seq-read-cold', 'sequential read, 1 MiB, cold', cold('seq-read', ...block), {
    ...bytes,
    requests: { atLeast: 0.9 },
  }),
  // Mostly the page cache: the reading that fills it is part of the proof run, so there is no bound to hold it to.
  passthrough('seq-read-warm', 'sequential read, 1 MiB, warm', client('seq-read', data, ...block), bytes),
  passthrough(
    'seq-write-cold',
    'sequential write, 1 MiB, new blocks',
    client('seq-write', written, ...block, '--cold'),
    {
      ...bytes,
      requests: { atLeast: 0.9 },
    },
  ),
  passthrough(
    'seq-write-warm',
    'sequential write, 1 MiB, overwriting',
    client('seq-write', written, ...block),
    {
      ...bytes,
      requests: { atLeast: 0.9 },
    },
  ),
  passthrough('rand-read', 'random 4 KiB read, buffered, cold', cold('rand-read'), {
    requests: { atLeast: 0.9 },
  }),
  passthrough('rand-read-direct', 'random 4 KiB read, O_DIRECT', client('rand-read', data, '--direct'), {
    requests: { atLeast: 0.9 },
  }),
  passthrough('rand-write', 'random 4 KiB write, buffered', client('rand-write', data), {
    requests: { atLeast: 0.9 },
  }),
  passthrough('rand-write-direct', 'random 4 KiB write, O_DIRECT', client('rand-write', data, '--direct'), {
    requests: { atLeast: 0.9 },
  }),
  passthrough('kernel-rand-read', 'random 4 KiB read, buffered', cold('rand-read'), kernel),
  passthrough(
    'kernel-rand-read-direct',
    'random 4 KiB read, O_DIRECT',
    client('rand-read', data, '--direct'),
    kernel,
  ),
  passthrough('kernel-rand-write', 'random 4 KiB write, buffered', client('rand-write', data), kernel),
  passthrough(
    'kernel-rand-write-direct',
    'random 4 KiB write, O_DIRECT',
    client('rand-write', data, '--direct'),
    kernel,
  ),
  passthrough('kernel-seq-read', 'sequential read, 1 MiB', cold('seq-read', ...block), {
    ...kernel,
    unit: 'bytes',
  }),
  passthrough(
    'kernel-seq-write',
    'sequential write, 1 MiB, overwriting',
    client('seq-write', written, ...block),
    {
      ...kernel,
      unit: 'bytes',
    },
  ),
  ...pinnedAndNot(
    passthrough('source-tree', 'source tree', treeWorkload, {
      unit: 'files',
      maxRounds: 9,
      requests: { atLeast: 3 },
      target: libfuseTarget(1.2),
      parts: treeParts,
    }),
  ),
]
