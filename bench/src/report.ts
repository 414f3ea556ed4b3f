import type { Machine } from './machine.js'
import type { Row } from './rows.js'
import type { RowResult, ServerResult } from './runner.js'
import { better, type Sample, type Summary, summarize } from './statistics.js'

interface Line {
  result: ServerResult
  summary: Summary | undefined
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

export function reportRow(result: RowResult): string {
  const parts = result.row.parts ?? ['']
  return parts.map((part, index) => reportPart(result, part, index)).join('\n\n')
}

function reportPart({ row, rounds, servers }: RowResult, part: string, index: number): string {
  const lines = servers.map((server): Line => ({ result: server, summary: summaryOf(row, server, index) }))
  const native = lines.find((line) => line.result.server.role === 'native')?.summary
  const libfuse = libfuseOf(lines)
  const uring = lines.find((line) => line.result.server.role === 'libfuse-uring')?.summary
  const [unit, scale] = units[row.unit]
  const header = [
    'server',
    `median ${unit}`,
    `best ${unit}`,
    'p50 µs',
    'p99 µs',
    'max µs',
    '× native',
    '× libfuse',
    'best × libfuse',
  ]
  if (uring) header.push('× libfuse io_uring')
  header.push('requests/op')

  const table = lines.flatMap(({ result, summary }) => {
    if (!summary) return []
    const cells = [result.server.label]
    const proof = result.proof?.requestsPerOperation
    cells.push(
      number(summary.medianRate / scale),
      number(summary.bestRate / scale),
      ...[summary.p50, summary.p99, summary.max].map((nanoseconds) => number(nanoseconds / 1000)),
      ratio(summary.medianRate, native?.medianRate),
      ratio(summary.medianRate, libfuse?.medianRate),
      ratio(summary.bestRate, libfuse?.bestRate),
    )
    if (uring) cells.push(ratio(summary.medianRate, uring.medianRate))
    cells.push(proof === undefined ? missing : number(proof))
    return [cells]
  })
  const title = part ? `${row.title}: ${part}` : row.title
  const conditions = [row.profile, row.fresh ? 'new mount each' : '', `${rounds} rounds`]
    .filter(Boolean)
    .join(', ')
  const absent = lines
    .filter((line) => !line.summary)
    .map(({ result }) => `- ${result.server.label}: ${result.problem}`)
  return [
    `### ${title}`,
    '',
    `\`${row.id}\` (${conditions})`,
    '',
    ...markdownTable([header, ...table]),
    ...(absent.length > 0 ? ['', ...absent] : []),
  ].join('\n')
}

/** The targets that this run can judge. */
export function reportTargets(results: readonly RowResult[]): string {
  const table = results.flatMap(({ row, servers }) => {
    if (!row.target) return []
    const { against, ratio: wanted } = row.target
    const lines = servers.map((server): Line => ({ result: server, summary: summaryOf(row, server, 0) }))
    const native = lines.find((line) => line.result.server.role === 'native')?.summary
    const yardstick = against === 'native' ? native : libfuseOf(lines)
    return lines
      .filter((line) => line.result.server.role === 'hawser')
      .map(({ result, summary }) => {
        const value = summary && yardstick ? summary.medianRate / yardstick.medianRate : undefined
        const best = summary && yardstick ? summary.bestRate / yardstick.bestRate : undefined
        const verdict =
          value === undefined ? (result.problem ?? 'no yardstick') : value >= wanted ? 'reached' : 'missed'
        return [row.title, against, `${wanted.toFixed(2)}×`, times(value), times(best), verdict]
      })
  })
  if (table.length === 0) return ''
  const header = ['figure', 'against', 'wanted', 'median', 'best', 'verdict']
  return ['## Targets', '', ...markdownTable([header, ...table])].join('\n')
}

function libfuseOf(lines: readonly Line[]): { medianRate: number; bestRate: number } | undefined {
  return better(
    lines
      .filter((line) => line.result.server.role === 'libfuse' && line.summary)
      .map((line) => line.summary!),
  )
}

function summaryOf(row: Row, result: ServerResult, part: number): Summary | undefined {
  const samples = result.samples[part] ?? []
  if (result.problem !== undefined || samples.length === 0) return undefined
  return summarize(samples, (sample: Sample) =>
    row.unit === 'bytes' ? sample.bytesPerSecond : sample.opsPerSecond,
  )
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

function times(value: number | undefined): string {
  return value === undefined ? missing : `${value.toFixed(2)}×`
}

export function markdownTable(table: readonly string[][]): string[] {
  const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`
  return [line(table[0]), line(widths.map((width) => '-'.repeat(width))), ...table.slice(1).map(line)]
}
