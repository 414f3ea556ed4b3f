import assert from 'node:assert/strict'
import { test } from 'node:test'
import { better, median, pairedRatio, type Sample, summarize } from './statistics.js'

const sample = (opsPerSecond: number, p50: number): Sample => ({
  ops: 1,
  bytes: 0,
  milliseconds: 1,
  opsPerSecond,
  bytesPerSecond: 0,
  p50,
  p99: p50 * 2,
  max: p50 * 3,
})

test('median of odd, even and no numbers', () => {
  assert.equal(median([10, 1, 9]), 9)
  assert.equal(median([4, 1, 2, 3]), 2.5)
  assert.equal(median([]), Number.NaN)
})

test('a summary keeps the median, the best and the worst', () => {
  const summary = summarize([sample(10, 5), sample(30, 1), sample(20, 3)], (one) => one.opsPerSecond)
  assert.equal(summary.medianRate, 20)
  assert.equal(summary.bestRate, 30)
  assert.equal(summary.worstRate, 10)
  assert.equal(summary.p50, 3)
  assert.equal(summary.max, 15)
})

test('the yardstick takes the better mode for each figure', () => {
  const rate = (one: Sample) => one.opsPerSecond
  const single = summarize([sample(10, 1), sample(20, 1), sample(90, 1)], rate)
  const threads = summarize([sample(30, 1), sample(30, 1), sample(30, 1)], rate)
  assert.deepEqual(better([single, threads]), { medianRate: 30, bestRate: 90, p50: 1 })
  assert.equal(better([]), undefined)
})

test('a burst of noise that hits both runs of a round does not change the paired ratio', () => {
  assert.equal(pairedRatio([200, 100, 20], [100, 50, 10]), 2)
  assert.equal(pairedRatio([], []), Number.NaN)
})
