import { ControlClient, type ControlError } from '../daemon/control-client.js'
import { listMounts } from '../daemon/mounts.js'
import type { StatisticsReply } from '../daemon/protocol.js'
import { runtimeDirectory } from '../daemon/registry.js'
import { type IntervalReport, reportInterval } from '../telemetry/report.js'
import { canonicalMountpoint } from './paths.js'
import { formatStatistics } from './stats-text.js'
import { exitCodes, Failure, has, jsonOption, type ParsedArguments, UsageError, type Verb } from './verb.js'

const ANSWER_MILLISECONDS = 5000

export const verb: Verb = {
  name: 'stats',
  usage: 'MOUNTPOINT [--interval SECONDS] [--count N] [--json]',
  summary: 'Operations, latency and bytes of a mount, live',
  arguments: ['MOUNTPOINT'],
  options: [
    jsonOption,
    {
      name: 'interval',
      short: 'i',
      kind: { type: 'text', placeholder: 'SECONDS' },
      explanation:
        'Report what happened in each interval, until Ctrl-C. Default: 1 on a terminal; elsewhere one report of everything since the mount began.',
    },
    {
      name: 'count',
      short: 'c',
      kind: { type: 'integer', minimum: 1, maximum: 1_000_000_000 },
      explanation: 'End after N reports.',
    },
  ],
  details:
    () => `Latency is from reading a request of the kernel to writing its reply; p50 and p99 come from a histogram
whose bounds double. What the kernel answers from its cache never arrives here. Files that the kernel reads and
writes itself (passthrough) cannot be counted: their bytes are shown as -, never as 0, and as null by --json.
--json prints one object a report, each on a line of its own.
`,
  async run(input) {
    const seconds = interval(input)
    const reports = input.options.get('count')?.at(-1)
    const limit = reports === undefined ? (seconds === undefined ? 1 : Infinity) : Number(reports)
    const socket = await socketOf(canonicalMountpoint(input.arguments[0]))
    await watch(socket, seconds ?? 1, limit, seconds === undefined, has(input, 'json'))
    return exitCodes.ok
  },
}

/** Undefined: once, since the mount began. */
function interval(input: ParsedArguments): number | undefined {
  const text = input.options.get('interval')?.at(-1)
  if (text === undefined) {
    const live = (process.stdout.isTTY && !has(input, 'json')) || input.options.has('count')
    return live ? 1 : undefined
  }
  const seconds = Number(text)
  if (/^\d*\.?\d+$/.test(text) && seconds >= 0.1 && seconds <= 86_400) return seconds
  throw new UsageError(`stats: --interval ${text}: use seconds from 0.1 to 86400`)
}

async function socketOf(mountpoint: string): Promise<string> {
  const uid = process.geteuid!()
  const mounts = await listMounts(runtimeDirectory(process.env, uid), uid)
  const here = mounts.filter((mount) => mount.mountpoint === mountpoint)
  const serving =
    here.findLast(({ state }) => state === 'mounted') ?? here.findLast(({ state }) => state === 'detached')
  if (serving !== undefined) return serving.socket
  const [other] = here
  if (other === undefined)
    throw new Failure(`${mountpoint} is not one of your mounts; hawser status lists them`)
  throw new Failure(`the mount on ${mountpoint} is ${other.state}; its counters cannot be read`)
}

async function sample(socket: string): Promise<StatisticsReply | undefined> {
  let client: ControlClient | undefined
  try {
    client = await ControlClient.open(socket)
    return await client.ask({ verb: 'statistics' }, ANSWER_MILLISECONDS)
  } catch (error) {
    if ((error as ControlError).code === 'DEAD') return undefined
    throw new Failure(`cannot read the counters: ${(error as Error).message}`)
  } finally {
    client?.close()
  }
}

async function watch(
  socket: string,
  seconds: number,
  limit: number,
  total: boolean,
  json: boolean,
): Promise<void> {
  const inPlace = process.stdout.isTTY === true && !json && !total
  const stop = new Promise<undefined>((resolve) => process.once('SIGINT', () => resolve(undefined)))
  let before: StatisticsReply | undefined
  for (let printed = 0; printed < limit; ) {
    const now = await sample(socket)
    if (now === undefined) {
      if (before === undefined) throw new Failure('the mount has ended')
      return
    }
    if (before !== undefined || total) {
      print(now, report(now, before), json, inPlace)
      printed++
    }
    before = now
    if (printed === limit) return
    const pause = new Promise<true>((resolve) => setTimeout(() => resolve(true), seconds * 1000))
    if ((await Promise.race([pause, stop])) === undefined) return
  }
}

function report(now: StatisticsReply, before: StatisticsReply | undefined): IntervalReport {
  return reportInterval({
    now: now.statistics,
    before: before?.statistics,
    seconds: now.uptime - (before?.uptime ?? 0),
    bounds: now.boundsNanoseconds,
    passthrough: now.passthrough,
  })
}

function print(now: StatisticsReply, report: IntervalReport, json: boolean, inPlace: boolean): void {
  if (json) {
    const { mountpoint, source, since, engine, memory, cpuSeconds, statistics } = now
    const { inFlight, nodes, handles, kernelPassthrough, stalls } = statistics
    const state = { inFlight, nodes, handles, kernelPassthrough, stalls, memory, cpuSeconds }
    const line = { mountpoint, source, since, engine, time: new Date().toISOString(), ...report, ...state }
    process.stdout.write(`${JSON.stringify(line)}\n`)
    return
  }
  // Home, and clear to the end of the screen: nothing flickers and nothing scrolls away.
  const screen = inPlace ? '\x1b[H\x1b[J' : ''
  process.stdout.write(`${screen}${formatStatistics(now, report)}${inPlace ? '' : '\n'}`)
}
