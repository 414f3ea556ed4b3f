import type { StatisticsReply } from '../daemon/protocol.js'
import type { IntervalReport, OperationReport } from '../telemetry/report.js'
import { formatBytes, formatCount, formatDuration, formatNanoseconds, formatTable } from './text.js'

/** The page of one report. */
export function formatStatistics(now: StatisticsReply, report: IntervalReport): string {
  const { statistics, memory } = now
  const rows = [...report.operations, report.total].map(toCells)
  const table = formatTable(
    ['OPERATION', 'OPS/S', 'COUNT', 'ERRORS', 'AVG', 'P50', 'P99', 'BYTES/S', 'BYTES'],
    rows,
    ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
  )
  const facts = [
    `${formatCount(statistics.inFlight)} in flight`,
    `${formatCount(statistics.nodes)} nodes`,
    `${formatCount(statistics.handles)} open`,
    `${formatCount(statistics.stalls)} stalled by limits`,
    `${formatBytes(memory.residentBytes)} resident`,
    `CPU ${now.cpuSeconds.toFixed(1)} s`,
  ]
  const seconds = report.seconds < 120 ? `${report.seconds.toFixed(1)} s` : formatDuration(report.seconds)
  return `${now.mountpoint}  ${now.source}  ${now.engine}  in ${seconds}

${table}
${facts.join(' · ')}
${passthroughNote(now, report)}`
}

function toCells(row: OperationReport): string[] {
  const time = (value: number | undefined) => (value === undefined ? '' : formatNanoseconds(value))
  // '+': the kernel may have moved more by itself.
  const bytes = (value: number | null | undefined, unit: string) => {
    if (value === undefined) return ''
    if (value === null) return '-'
    return `${formatBytes(value)}${unit}${row.bytesIncomplete ? '+' : ''}`
  }
  return [
    row.operation,
    formatCount(row.perSecond),
    formatCount(row.count),
    formatCount(row.errors),
    time(row.averageNanoseconds),
    time(row.p50Nanoseconds),
    time(row.p99Nanoseconds),
    bytes(row.bytesPerSecond, '/s'),
    bytes(row.bytes, ''),
  ]
}

function passthroughNote({ statistics, passthrough }: StatisticsReply, report: IntervalReport): string {
  const open = statistics.kernelPassthrough
  if (open > 0) {
    const files = open === 1 ? '1 open file is' : `${formatCount(open)} open files are`
    return `${files} read and written by the kernel itself: those bytes are not counted (-, or + where they add to others)\n`
  }
  if (passthrough && report.total.bytes === null) {
    return '- : not measured, because the kernel may have read and written files itself\n'
  }
  return ''
}
