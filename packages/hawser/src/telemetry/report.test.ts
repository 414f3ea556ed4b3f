import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { quantile } from './histogram.js'
import { reportInterval } from './report.js'

const bounds = [1000, 2000, 4000, 8000]

describe('quantile', () => {
  it('lies within the bucket that holds it', () => {
    assert.equal(quantile([0, 100, 0, 0], bounds, 0.5), 1500)
    assert.equal(quantile([100, 0, 0, 0], bounds, 0.5), 500)
    assert.equal(quantile([50, 49, 1, 0], bounds, 0.99), 2000)
    assert.equal(quantile([99, 0, 1, 0], bounds, 1), 4000)
  })

  it('is undefined without requests, and the lower bound in the bucket without an end', () => {
    assert.equal(quantile([0, 0, 0, 0], bounds, 0.5), undefined)
    assert.equal(quantile([0, 0, 0, 5], bounds, 0.5), 4000)
  })
})

describe('a report', () => {
  const row = (operation: string, count: number, bytes = 0) => ({
    operation,
    count,
    errors: 1,
    nanoseconds: count * 1500,
    bytes,
    histogram: [0, count, 0, 0],
  })
  const state = { inFlight: 0, nodes: 0, handles: 0, kernelPassthrough: 0, stalls: 0 }
  const common = { seconds: 2, bounds, passthrough: false }

  it('counts what happened between two samples', () => {
    const { operations, total } = reportInterval({
      ...common,
      before: { ...state, operations: [row('read', 10, 100), row('open', 5)] },
      now: { ...state, operations: [row('read', 30, 500), row('open', 5), row('lookup', 50)] },
    })
    assert.deepEqual(
      operations.map(({ operation, count, perSecond }) => [operation, count, perSecond]),
      [
        ['lookup', 50, 25],
        ['read', 20, 10],
      ],
    )
    assert.equal(operations[0].averageNanoseconds, 1500)
    assert.equal(operations[0].p50Nanoseconds, 1500)
    assert.equal(operations[0].bytes, undefined)
    assert.equal(operations[1].bytes, 400)
    assert.equal(operations[1].bytesPerSecond, 200)
    assert.deepEqual([total.count, total.bytes], [70, 400])
  })

  it('never shows bytes that it could not count as zero', () => {
    const quiet = { ...state, operations: [row('read', 1, 0)] }
    assert.equal(reportInterval({ ...common, now: quiet }).operations[0].bytes, 0)
    const hidden = reportInterval({ ...common, passthrough: true, now: quiet })
    assert.equal(hidden.operations[0].bytes, null)
    assert.equal(hidden.total.bytesPerSecond, null)
    const partly = reportInterval({
      ...common,
      passthrough: true,
      now: { ...state, kernelPassthrough: 2, operations: [row('read', 1, 4096)] },
    })
    assert.equal(partly.operations[0].bytes, 4096)
    assert.equal(partly.operations[0].bytesIncomplete, true)
  })
})
