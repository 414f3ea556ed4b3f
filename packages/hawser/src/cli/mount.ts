import { closeSync, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { runtimeDirectory } from '../daemon/registry.js'
import type { ServeRequest, StartReport } from '../daemon/request.js'
import { dismissEarly, spawnDaemon } from '../daemon/spawn.js'
import type { LogFormat, LogLevel } from '../telemetry/log.js'
import { absoluteSource, canonicalMountpoint, isDescriptor, isUnder } from './paths.js'
import { configurationFiles, resolveSettings, type Settings } from './settings.js'
import {
  exitCodes,
  Failure,
  flag,
  type OptionRow,
  type ParsedArguments,
  UsageError,
  type Verb,
} from './verb.js'
import { version } from './version.js'

const file = { type: 'text', placeholder: 'FILE' } as const

export const mountRows: readonly OptionRow[] = [
  {
    name: 'option',
    short: 'o',
    kind: { type: 'text', placeholder: 'NAME[=VALUE],…' },
    explanation: 'Options of the mount, listed below. May be repeated; the last word on one counts.',
    repeatable: true,
  },
  {
    name: 'foreground',
    short: 'f',
    kind: flag,
    explanation:
      'Serve in this process and log to stderr; SIGTERM or SIGINT unmounts once unused, a second one at once.',
    configurable: true,
  },
  {
    name: 'log-level',
    kind: { type: 'choice', values: ['error', 'warn', 'info', 'debug'] },
    explanation: 'What is logged.',
    default: 'info',
    configurable: true,
  },
  {
    name: 'log-format',
    kind: { type: 'choice', values: ['text', 'json'] },
    explanation: 'One line an event, either way.',
    default: 'text',
    configurable: true,
  },
  {
    name: 'log-file',
    kind: file,
    explanation:
      'Append the log to FILE (SIGUSR1 opens it again), or - for stderr. Default: stderr in the foreground, nowhere in the background.',
    configurable: true,
  },
  {
    name: 'metrics',
    kind: { type: 'text', placeholder: 'ADDRESS' },
    explanation:
      'Serve Prometheus metrics on 127.0.0.1:PORT or unix:/path, at /metrics. Port 0 takes a free one, which hawser status shows.',
    configurable: true,
  },
  {
    name: 'metrics-allow-remote',
    kind: flag,
    explanation: 'Let --metrics listen on an address that other machines can reach; there is no password.',
    configurable: true,
  },
  {
    name: 'pid-file',
    kind: file,
    explanation: 'Write the number of the serving process to FILE, and remove it at the end.',
    configurable: true,
  },
]

export interface MountCall {
  input: ParsedArguments
  sloppy?: boolean
}

/** What the arguments, the environment and the files say, checked and complete. */
export async function prepare({
  input,
  sloppy,
}: MountCall): Promise<{ request: ServeRequest; settings: Settings }> {
  const uid = process.geteuid!()
  const settings = resolveSettings({
    rows: mountRows,
    given: input,
    environment: process.env,
    files: configurationFiles(process.env),
    root: uid === 0,
    sloppy,
  })
  const { program, mount } = settings
  const [source, target] = input.arguments
  if (source === '') throw new UsageError('mount: SOURCE is empty')
  const mountpoint = canonicalMountpoint(target)
  const logFile = program.get('log-file')
  const pidFile = program.get('pid-file')
  const metrics = program.get('metrics')
  const request: ServeRequest = {
    source: absoluteSource(source),
    mountpoint,
    options: mount.options,
    flags: mount.flags,
    notes: mount.notes,
    log: {
      level: (program.get('log-level') ?? 'info') as LogLevel,
      format: (program.get('log-format') ?? 'text') as LogFormat,
      file: logFile === undefined || logFile === '-' ? undefined : outside(logFile, mountpoint, '--log-file'),
    },
    pidFile: pidFile === undefined ? undefined : outside(pidFile, mountpoint, '--pid-file'),
    runtimeDirectory: outside(
      runtimeDirectory(process.env, uid),
      mountpoint,
      'the runtime directory (HAWSER_RUNTIME_DIR)',
    ),
    version: version(),
  }
  if (metrics !== undefined) {
    const { parseMetricsAddress } = await import('../telemetry/metrics-address.js')
    const remote = program.get('metrics-allow-remote') === 'true'
    try {
      request.metrics = parseMetricsAddress(metrics, remote)
    } catch (error) {
      throw new UsageError((error as Error).message)
    }
    if (request.metrics.type === 'unix') outside(request.metrics.path, mountpoint, '--metrics')
  }
  return { request, settings }
}

function outside(path: string, mountpoint: string, option: string): string {
  const absolute = resolve(path)
  if (!isUnder(canonicalMountpoint(absolute), mountpoint)) return absolute
  throw new UsageError(
    `${option} ${path} lies under the mount point; a server that uses its own mount waits for itself`,
  )
}

async function runBackground(request: ServeRequest, keepOutput: boolean): Promise<StartReport> {
  if (isDescriptor(request.mountpoint)) {
    throw new UsageError(
      'a mount point of /dev/fd/N needs --foreground: the descriptor belongs to this process',
    )
  }
  const { file } = request.log
  // The background process could only report this without saying where it looked.
  if (file !== undefined) closeSync(openForAppending(file))
  return await spawnDaemon(request, keepOutput)
}

function openForAppending(path: string): number {
  try {
    return openSync(path, 'a', 0o640)
  } catch (error) {
    throw new Failure(`cannot write the log file ${path}: ${(error as NodeJS.ErrnoException).code}`)
  }
}

/** Mounts in the background and returns when the mount answers; throws a Failure with what the process reports. */
export async function mountInBackground(request: ServeRequest, keepOutput: boolean): Promise<number> {
  const report = await runBackground(request, keepOutput)
  if (report.ok) return report.pid
  if (request.log.level === 'debug' && report.stack !== undefined) process.stderr.write(`${report.stack}\n`)
  throw new Failure(describe(request, report.message))
}

function describe(request: ServeRequest, message: string): string {
  const named = message.includes(request.mountpoint) || message.includes(request.source)
  return named ? message : `cannot mount ${request.source} on ${request.mountpoint}: ${message}`
}

async function mountInForeground(request: ServeRequest): Promise<void> {
  dismissEarly()
  const { serve } = await import('../daemon/serve.js')
  try {
    await serve(request, { needsRegistry: false, ready: () => undefined })
  } catch (error) {
    if (request.log.level === 'debug') process.stderr.write(`${(error as Error).stack}\n`)
    throw new Failure(describe(request, (error as Error).message))
  }
}

export const verb: Verb = {
  name: 'mount',
  usage: 'SOURCE MOUNTPOINT [-o NAME[=VALUE],…] [options]',
  summary: 'Mount a source on a directory',
  arguments: ['SOURCE', 'MOUNTPOINT'],
  options: mountRows,
  details: async () => (await import('./mount-help.js')).mountDetails(),
  async run(input) {
    const { request, settings } = await prepare({ input })
    if (settings.program.get('foreground') === 'true') await mountInForeground(request)
    else await mountInBackground(request, settings.program.get('log-file') === '-')
    return exitCodes.ok
  },
}
