import type { FsxResult } from './fsx.js'
import type { CaseDifference, PjdfstestComparison } from './pjdfstest.js'

/** What a comparison found: every difference in full, then one line of numbers. */
export function printPjdfstest(result: PjdfstestComparison, write = console.log): void {
  const print = (title: string, list: readonly CaseDifference[]) => {
    for (const { name, outcome, detail, reason } of list) {
      write(`${title} ${name}: ${outcome}${reason === undefined ? '' : ` (${reason})`}`)
      if (detail !== '') write(detail.replace(/^/gm, '    '))
    }
  }
  print('known difference:', result.expected)
  print('FAILED', result.failed)
  for (const name of result.unseen) write(`known difference not seen (out of date?): ${name}`)
  const { passed, failed, expected, skipped } = result
  write(
    `pjdfstest: ${passed.length} passed, ${failed.length} failed, ${expected.length} known to differ, ` +
      `${skipped.length} passing nowhere, of ${result.beneath.size}`,
  )
}

export function printFsx(result: FsxResult, write = console.log): void {
  const outcome = result.passed ? 'passed' : `FAILED: ${result.detail}`
  write(`fsx ${result.mode}: ${result.operations} operations, seed ${result.seed}: ${outcome}`)
}
