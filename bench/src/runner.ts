import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Mounted, mount } from './mounts.js'
import { chosen, type Options } from './options.js'
import type { RequestCount, RequestCounter } from './request-counter.js'
import type { Measurement, Row } from './rows.js'
import { type ServerSpec, servers } from './servers.js'
import type { Sample } from './statistics.js'
import type { Tools } from './tools.js'

export interface ServerResult {
  server: ServerSpec
  /** Why there are no numbers, or why they do not count. */
  problem: string | undefined
  /** 'not run': not installed. 'left out': a peer that cannot do this row. 'failed': the run is no good. */
  state: 'ran' | 'not run' | 'left out' | 'failed'
  proof: { requestsPerOperation: number; count: RequestCount } | undefined
  /** For each part of the row, the samples of all rounds. */
  samples: Sample[][]
}

export interface RowResult {
  row: Row
  rounds: number
  servers: ServerResult[]
}

export interface Bench {
  options: Options
  tools: Tools
  counter: RequestCounter
  workDirectory: string
  source: string
  archive: () => Promise<string>
  say: (line: string) => void
}

interface Contender {
  result: ServerResult
  program: { path: string; help?: string }
  mounted: Mounted | undefined
}

const proofSeconds = 0.05
const settleSeconds = 0.5
/** Rounds that one process serves: where its memory happens to lie is worth several percent, for libfuse as for hawser. */
const roundsPerProcess = 3

/** Runs one row: mount all servers, prove what each does with the operation, then measure them in turns. */
export async function runRow(bench: Bench, row: Row): Promise<RowResult> {
  const rounds = Math.min(bench.options.rounds, row.maxRounds ?? bench.options.rounds)
  const contenders = contendersOf(bench, row)
  try {
    for (const contender of contenders) await guarded(contender, () => prove(bench, row, contender))
    for (let round = 0; round < rounds; round++) {
      // Nobody always runs first, or always after the same neighbour.
      const shift = round % Math.max(contenders.length, 1)
      for (const contender of [...contenders.slice(shift), ...contenders.slice(0, shift)]) {
        await guarded(contender, async () => {
          if (row.fresh) await remount(bench, row, contender)
          else if (round > 0 && round % roundsPerProcess === 0) await renew(bench, row, contender)
          const samples = await row.measure(measurement(bench, row, contender, bench.options.seconds))
          samples.forEach((sample, part) => {
            contender.result.samples[part] ??= []
            contender.result.samples[part].push(sample)
          })
        })
      }
      bench.say(`${row.id}: round ${round + 1} of ${rounds}`)
    }
  } finally {
    for (const contender of contenders) await contender.mounted?.close()
    for (const { result } of contenders)
      rmSync(ownDirectory(bench, result.server), { recursive: true, force: true })
  }
  return { row, rounds, servers: contenders.map((contender) => contender.result) }
}

function contendersOf(bench: Bench, row: Row): Contender[] {
  return servers
    .filter((server) => server.family === 'native' || server.family === row.family)
    .filter((server) => server.profiles.includes(row.profile))
    .filter((server) => server.role === 'native' || chosen(server.id, bench.options.servers))
    .map((server) => {
      const located = server.locate(bench.tools)
      const missing = 'missing' in located ? located.missing : undefined
      const state = missing === undefined ? 'ran' : 'not run'
      const result: ServerResult = { server, problem: missing, state, proof: undefined, samples: [] }
      return { result, program: 'path' in located ? located : { path: '' }, mounted: undefined }
    })
}

/** A server that fails leaves the row, with its reason; the others go on. */
async function guarded(contender: Contender, action: () => Promise<void>): Promise<void> {
  if (contender.result.problem !== undefined) return
  try {
    await action()
  } catch (error) {
    const peer = contender.result.server.role === 'peer'
    contender.result.problem = (error as Error).message.replaceAll('\n', ' ').slice(0, 400)
    contender.result.state = peer ? 'left out' : 'failed'
  }
}

async function remount(bench: Bench, row: Row, contender: Contender): Promise<void> {
  await contender.mounted?.close()
  contender.mounted = undefined
  contender.mounted = await mount({
    server: contender.result.server,
    program: contender.program,
    source: bench.source,
    profile: row.profile,
    bytes: bench.options.bytes,
    cpu: row.cpu,
    client: bench.tools.client,
    workDirectory: bench.workDirectory,
  })
}

async function prove(bench: Bench, row: Row, contender: Contender): Promise<void> {
  mkdirSync(ownDirectory(bench, contender.result.server), { recursive: true })
  await remount(bench, row, contender)
  const measured = { ...measurement(bench, row, contender, proofSeconds), warmup: 0 }
  if (contender.result.server.family === 'native') {
    await row.measure(measured)
    return
  }
  const [samples, count] = await bench.counter.during(contender.mounted!, () => row.measure(measured))
  const requestsPerOperation = count.requests / samples[0].ops
  contender.result.proof = { requestsPerOperation, count }
  const complaint = contradiction(row, count, samples[0].ops)
  if (complaint) throw new Error(`${complaint}: this run would not measure what it claims`)
  if (!row.fresh) await settle(bench, row, contender)
}

/** Not recorded: what runs for days is measured warm, and a compiler at work beside a pinned server is not. */
async function settle(bench: Bench, row: Row, contender: Contender): Promise<void> {
  await row.measure(measurement(bench, row, contender, Math.max(settleSeconds, bench.options.seconds)))
}

async function renew(bench: Bench, row: Row, contender: Contender): Promise<void> {
  if (contender.result.server.family === 'native') return
  await remount(bench, row, contender)
  await settle(bench, row, contender)
}

/** Why the counted requests are not those of the claimed operation. */
export function contradiction(
  row: Pick<Row, 'requests'>,
  count: RequestCount,
  operations: number,
): string | undefined {
  const each = count.requests / operations
  const seen = count.operations.map(([name, share]) => `${(share * each).toFixed(2)} ${name}`).join(', ')
  const { atLeast = 0, noData } = row.requests
  // Without the kernel's trace events only a lower bound is known.
  const least = count.method === 'trace' ? atLeast : atLeast * 0.5
  if (!(each >= least)) return `${each.toFixed(3)} requests an operation (${seen}) are fewer than ${least}`
  const data = count.operations.reduce(
    (sum, [name, share]) => sum + (/^(READ|WRITE)$/.test(name) ? share * each : 0),
    0,
  )
  if (noData && data > 0.02) return `the server, not the kernel, moved the data (${seen})`
  return undefined
}

function measurement(bench: Bench, row: Row, contender: Contender, seconds: number): Measurement {
  const { path } = contender.mounted!
  return {
    path,
    source: bench.source,
    work: join(path, directoryName(contender.result.server)),
    client: bench.tools.client,
    cpu: row.cpu,
    seconds,
    warmup: 0.02,
    bytes: bench.options.bytes,
    archive: bench.archive,
  }
}

const directoryName = (server: ServerSpec) => `work-${server.id}`
const ownDirectory = (bench: Bench, server: ServerSpec) => join(bench.source, directoryName(server))
