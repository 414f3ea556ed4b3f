import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contradiction } from './runner.js'

test('too few requests contradict a row that claims to reach the server', () => {
  const row = { requests: { atLeast: 0.99 } }
  const count = (requests: number) => ({ requests, operations: [], method: 'trace' as const })
  assert.equal(contradiction(row, count(1001), 1000), undefined)
  assert.match(contradiction(row, count(10), 1000)!, /fewer than 0\.99/)
  // A server's own counters may not see every request; none at all is still no proof.
  assert.equal(contradiction(row, { ...count(600), method: 'proc' }, 1000), undefined)
  assert.match(contradiction(row, { ...count(Number.NaN), method: 'proc' }, 1000)!, /fewer/)
})

test('reads or writes at the server contradict kernel passthrough; opening does not', () => {
  const row = { requests: { noData: true } }
  const opened = { requests: 300, operations: [['OPEN', 1]] as [string, number][], method: 'trace' as const }
  assert.equal(contradiction(row, opened, 1000), undefined)
  const written = {
    ...opened,
    operations: [
      ['OPEN', 0.5],
      ['WRITE', 0.5],
    ] as [string, number][],
  }
  assert.match(contradiction(row, written, 1000)!, /moved the data \(0\.15 OPEN, 0\.15 WRITE\)/)
})
