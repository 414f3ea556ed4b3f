import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { makeWorkDirectory, removeDirectory, removeLeftovers } from './leftovers.js'
import { describeMachine } from './machine.js'
import { unmountAll } from './mounts.js'
import { chosen, type Options, parseOptions, UsageError, usage } from './options.js'
import { killAll, run } from './processes.js'
import { reportMachine, reportRow, reportServers, reportTargets } from './report.js'
import { RequestCounter } from './request-counter.js'
import { entryCount, rows } from './rows.js'
import { type Bench, type RowResult, runRow } from './runner.js'
import { servers } from './servers.js'
import { sourceTree } from './source-tree.js'
import { prepareTools, repository } from './tools.js'

process.exitCode = await main()

async function main(): Promise<number> {
  let options: Options | 'help'
  try {
    options = parseOptions(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`bench: ${error.message}\n\n${usage}`)
    return 2
  }
  if (options === 'help') {
    process.stdout.write(usage)
    return 0
  }
  if (options.list) {
    for (const row of rows) print(`${row.id.padEnd(34)} ${row.title}`)
    print('')
    for (const server of servers)
      print(`${server.id.padEnd(34)} ${server.family}, ${server.profiles.join(', ')}`)
    return 0
  }
  const selected = rows.filter((row) => chosen(row.id, options.rows))
  if (selected.length === 0) {
    process.stderr.write('bench: no such row (--list prints them)\n')
    return 2
  }

  const tools = await prepareTools(options, say)
  const directory = realpathSync(options.directory)
  removeLeftovers(directory)
  const workDirectory = makeWorkDirectory(directory)
  const counter = new RequestCounter(workDirectory)
  const restoreUring = options.libfuseUring ? enableUring() : () => {}
  const cleanUp = () => {
    unmountAll()
    killAll()
    counter.close()
    restoreUring()
    removeDirectory(workDirectory)
  }
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => {
      cleanUp()
      process.exit(status)
    })
  }

  try {
    const machine = await describeMachine(tools.client, workDirectory)
    print(reportMachine(machine, counter.exact))
    print(reportServers(tools))
    const bench = await prepare(options, tools, counter, workDirectory)
    const results: RowResult[] = []
    print('\n## Results\n')
    for (const row of selected) {
      const result = await runRow(bench, row)
      results.push(result)
      clearProgress()
      print(`${reportRow(result)}\n`)
    }
    print(reportTargets(results))
    print(`\nLoad average at the end: ${loadavg()[0].toFixed(2)}.`)
    if (options.json)
      writeFileSync(options.json, JSON.stringify({ machine, options, results: plain(results) }, null, 1))
    const failures = results.flatMap(({ row, servers }) =>
      servers
        .filter((result) => result.state === 'failed')
        .map((result) => `${row.id}, ${result.server.id}: ${result.problem}`),
    )
    for (const failure of failures) process.stderr.write(`bench: ${failure}\n`)
    return failures.length === 0 ? 0 : 1
  } finally {
    cleanUp()
  }
}

/** The kernel offers io_uring to FUSE servers only if this parameter allows it; it is put back at the end. */
function enableUring(): () => void {
  const parameter = '/sys/module/fuse/parameters/enable_uring'
  try {
    const before = readFileSync(parameter, 'utf8')
    if (before.trim() === 'Y') return () => {}
    writeFileSync(parameter, 'Y')
    return () => writeFileSync(parameter, before)
  } catch {
    return () => {}
  }
}

async function prepare(
  options: Options,
  tools: Bench['tools'],
  counter: RequestCounter,
  workDirectory: string,
): Promise<Bench> {
  const source = join(workDirectory, 'source')
  const entries = join(source, 'entries')
  mkdirSync(entries, { recursive: true })
  await run([tools.client, 'make-file', join(source, 'data'), '--bytes', String(options.bytes)])
  await run([tools.client, 'make-entries', entries, '--count', String(entryCount)])
  let archive: Promise<string> | undefined
  return {
    options,
    tools,
    counter,
    workDirectory,
    source,
    say,
    archive: () => {
      archive ??= sourceTree(join(repository, 'bench/build/source-tree.tar'), workDirectory)
      return archive
    },
  }
}

/** Rows and servers by name; functions have no place in a file of results. */
function plain(results: readonly RowResult[]): unknown {
  return results.map(({ row, rounds, servers }) => ({
    row: row.id,
    title: row.title,
    unit: row.unit,
    parts: row.parts ?? [''],
    rounds,
    servers: servers.map(({ server, ...rest }) => ({ server: server.id, ...rest })),
  }))
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function say(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`)
  else if (!line.includes(': round ')) process.stderr.write(`${line}\n`)
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
}
