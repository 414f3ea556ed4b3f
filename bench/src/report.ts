import type { Machine } from './machine.js'
import type { Row } from './rows.js'
import type { RowResult, ServerResult } from './runner.js'
import { type ServerSpec, servers } from './servers.js'
import { better, pairedRatio, type Sample, type Summary, summarize, type Yardstick } from './statistics.js'
import type { Tools } from './tools.js'

interface Line {
  result: ServerResult
  summary: Summary
  /** The rate of each round. */
  rates: number[]
}

const missing = '–'

export function reportMachine(machine: Machine, exactProof: boolean): string {
  const { pipe } = machine
  const other = pipe.otherCpu === undefined ? 'only one CPU' : `${pipe.otherCpu.toFixed(1)} µs`
  return [
    '## Machine',
    '',
    `Linux ${machine.kernel}, ${machine.cpus} × ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.filesystem}; ` +
      `Node ${machine.node}, libfuse ${machine.libfuse}; load average ${machine.load.toFixed(2)} at the start.`,
    '',
    `Pipe round trip (p50): same CPU ${pipe.sameCpu.toFixed(1)} µs, other CPU ${other}, unpinned ` +
      `${pipe.unpinned.toFixed(1)} µs. No server that sleeps between requests can be faster than this.`,
    '',
    exactProof
      ? 'Requests per operation are counted from the kernel’s trace events in a run of their own.'
      : 'Requests per operation are a lower bound, from the server’s writes and sleeps (the kernel’s trace events need root).',
  ].join('\n')
}

/** What is not installed or not quite comparable, said once and not in every row. */
export function reportServers(tools: Tools): string {
  const lines = servers.flatMap((server) => {
    const located = server.locate(tools)
    if ('missing' in located) return [`- ${server.label}: not run: ${located.missing}`]
    return server.note ? [`- ${server.label}: ${server.note}`] : []
  })
  return lines.length === 0 ? '' : ['', ...lines].join('\n')
}

export function reportRow(result: RowResult): string {
  const parts = result.row.parts ?? ['']
  const sections = parts.map((part, index) => reportPart(result, part, index))
  const remarks = result.servers
    .filter(({ state }) => state === 'failed' || state === 'left out')
    .map(({ server, state, problem }) => `- ${server.label}: ${state}: ${problem}`)
  if (remarks.length > 0) sections.push(remarks.join('\n'))
  return sections.join('\n\n')
}

function reportPart({ row, rounds, servers }: RowResult, part: string, index: number): string {
  const lines = linesOf(row, servers, index)
  const native = lines.find((line) => line.result.server.role === 'native')?.summary
  // The yardstick is the better of libfuse's modes.
  const libfuse = (server: ServerSpec) => yardstickOf(lines, 'libfuse', server)?.summary
  const uring = lines.find((line) => line.result.server.role === 'libfuse-uring')?.summary
  const [unit, scale] = units[row.unit]

  const columns: [header: string, cell: (summary: Summary, result: ServerResult) => string][] = [
    ['server', (_, { server }) => server.label],
    [`median ${unit}`, ({ medianRate }) => number(medianRate / scale)],
    [`best ${unit}`, ({ bestRate }) => number(bestRate / scale)],
  ]
  if (row.unit === 'files') {
    columns.push(['median ms', ({ milliseconds }) => number(milliseconds)])
  } else {
    columns.push(
      ['p50 µs', ({ p50 }) => number(p50 / 1000)],
      ['p99 µs', ({ p99 }) => number(p99 / 1000)],
      ['max µs', ({ max }) => number(max / 1000)],
    )
  }
  columns.push(['× native', ({ medianRate }) => ratio(medianRate, native?.medianRate)])
  if (lines.some((line) => line.result.server.role === 'libfuse')) {
    columns.push(
      ['× libfuse', ({ medianRate }, { server }) => ratio(medianRate, libfuse(server)?.medianRate)],
      ['best × libfuse', ({ bestRate }, { server }) => ratio(bestRate, libfuse(server)?.bestRate)],
    )
  }
  if (uring) columns.push(['× libfuse io_uring', ({ medianRate }) => ratio(medianRate, uring.medianRate)])
  if (index === 0)
    columns.push(['requests/op', (_, { proof }) => number(proof?.requestsPerOperation ?? Number.NaN)])

  const table = lines.map(({ result, summary }) => columns.map(([, cell]) => cell(summary, result)))
  const title = part ? `${row.title}: ${part}` : row.title
  const conditions = [row.profile, row.fresh ? 'new mount each' : '', `${rounds} rounds`]
    .filter(Boolean)
    .join(', ')
  return [
    `### ${title}`,
    '',
    `\`${row.id}\` (${conditions})`,
    '',
    ...markdownTable([columns.map(([header]) => header), ...table]),
  ].join('\n')
}

/** The targets that this run can judge. */
export function reportTargets(results: readonly RowResult[]): string {
  const table = results.flatMap(({ row, servers }) => {
    if (!row.target) return []
    const { against, ratio: wanted } = row.target
    const lines = linesOf(row, servers, 0)
    return servers
      .filter(({ server }) => server.role === 'hawser')
      .map((result) => {
        const what = [`${row.title} (${result.server.label})`, against, `${wanted.toFixed(2)}×`]
        const line = lines.find((line) => line.result === result)
        const yardstick = yardstickOf(lines, against, result.server)
        if (!line || !yardstick) return [...what, missing, missing, missing, missing, reasonOf(result)]
        const { summary } = yardstick
        const value = line.summary.medianRate / summary.medianRate
        const paired = pairedRatio(line.rates, yardstick.rates)
        const best = line.summary.bestRate / summary.bestRate
        const latency = summary.p50 / line.summary.p50
        const verdict = value >= wanted ? 'reached' : 'missed'
        return [...what, ...[value, paired, best, latency].map(times), verdict]
      })
  })
  if (table.length === 0) return ''
  const header = ['figure', 'against', 'wanted', 'median', 'same round', 'best', 'p50', 'verdict']
  return ['## Targets', '', ...markdownTable([header, ...table])].join('\n')
}

/** The best figures of the servers of a role that serve extended attributes as this one does, and the rounds of the one with the best median. */
function yardstickOf(
  lines: readonly Line[],
  role: ServerSpec['role'],
  server: ServerSpec,
): { summary: Yardstick; rates: number[] } | undefined {
  const like = lines.filter(
    ({ result }) =>
      result.server.role === role &&
      (result.server.xattr === undefined ||
        server.xattr === undefined ||
        result.server.xattr === server.xattr),
  )
  const summary = better(like.map((line) => line.summary))
  const typical = like.find((line) => line.summary.medianRate === summary?.medianRate)
  return summary && typical && { summary, rates: typical.rates }
}

function reasonOf({ state, problem }: ServerResult): string {
  return problem === undefined ? 'no yardstick' : `${state}: ${problem}`
}

function linesOf(row: Row, servers: readonly ServerResult[], part: number): Line[] {
  return servers.flatMap((result) => {
    const samples = result.samples[part] ?? []
    if (result.problem !== undefined || samples.length === 0) return []
    const rateOf = (sample: Sample) => (row.unit === 'bytes' ? sample.bytesPerSecond : sample.opsPerSecond)
    return [{ result, summary: summarize(samples, rateOf), rates: samples.map(rateOf) }]
  })
}

const units: Record<Row['unit'], [name: string, scale: number]> = {
  operations: ['k ops/s', 1000],
  bytes: ['MB/s', 1e6],
  files: ['files/s', 1],
}

/** Three significant digits: more is noise. */
function number(value: number): string {
  if (!Number.isFinite(value)) return missing
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function ratio(value: number, yardstick: number | undefined): string {
  return yardstick === undefined ? missing : (value / yardstick).toFixed(2)
}

function times(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)}×` : missing
}

export function markdownTable(table: readonly string[][]): string[] {
  const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`
  return [line(table[0]), line(widths.map((width) => '-'.repeat(width))), ...table.slice(1).map(line)]
}
