import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { exposition, type MetricsInput } from './metrics.js'
import { parseMetricsAddress } from './metrics-address.js'
import { serveMetrics } from './metrics-server.js'

const bounds = [1000, 2000, 4000, 8000]
const operation = (name: string, histogram: number[], bytes = 0) => ({
  operation: name,
  count: histogram.reduce((sum, count) => sum + count),
  errors: 1,
  nanoseconds: 2_500_000_000,
  bytes,
  histogram,
})

function input(more: Partial<MetricsInput> = {}): MetricsInput {
  return {
    mountpoint: '/mnt/a"b\\c',
    source: '/data',
    engine: 'classic',
    version: '1.2.3',
    boundsNanoseconds: bounds,
    passthrough: false,
    startTime: 1_700_000_000,
    residentBytes: 1000,
    heapBytes: 500,
    cpuSeconds: 1.5,
    statistics: {
      operations: [
        operation('lookup', [1, 2, 0, 1]),
        operation('read', [3, 0, 0, 0], 4096),
        operation('write', [1, 0, 0, 0]),
      ],
      inFlight: 2,
      nodes: 10,
      handles: 3,
      kernelPassthrough: 1,
      stalls: 4,
    },
    ...more,
  }
}

// The grammar of a line, from the description of the text format.
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\S+)$/

describe('metrics', () => {
  it('are in the text format, each family described before its samples and in one piece', () => {
    const text = exposition(input())
    assert.ok(text.endsWith('\n'))
    const finished = new Set<string>()
    let family = ''
    for (const line of text.trimEnd().split('\n')) {
      const [, comment, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
      if (comment === 'HELP') {
        assert.ok(!finished.has(name), `${name} comes twice`)
        finished.add(name)
        family = name
      } else if (comment === 'TYPE') {
        assert.equal(name, family)
        assert.match(rest, /^(gauge|counter|histogram)$/)
        assert.equal(rest === 'counter', family.endsWith('_total'), family)
      } else {
        const sample = SAMPLE.exec(line)
        assert.ok(sample, line)
        assert.ok(sample[1].startsWith(family), `${sample[1]} is not of ${family}`)
        assert.ok(Number.isFinite(Number(sample[3])), line)
        assert.ok(line.includes('mountpoint="/mnt/a\\"b\\\\c"') || family.startsWith('process'), line)
      }
    }
  })

  it('have cumulative buckets in seconds that end with +Inf', () => {
    const text = exposition(input())
    const buckets = [
      ...text.matchAll(/duration_seconds_bucket\{[^}]*operation="lookup",le="([^"]+)"\} (\d+)/g),
    ]
    assert.deepEqual(
      buckets.map(([, le, count]) => [le, count]),
      [
        ['0.000001', '1'],
        ['0.000002', '3'],
        ['0.000004', '3'],
        ['+Inf', '4'],
      ],
    )
    assert.match(text, /duration_seconds_sum\{[^}]*operation="lookup"\} 2\.5\n/)
    assert.match(text, /duration_seconds_count\{[^}]*operation="lookup"\} 4\n/)
  })

  it('never claim that no byte moved where the kernel moves them itself', () => {
    assert.match(exposition(input()), /bytes_total\{[^}]*operation="write"\} 0\n/)
    const text = exposition(input({ passthrough: true }))
    assert.doesNotMatch(text, /bytes_total\{[^}]*operation="write"/)
    assert.match(text, /bytes_total\{[^}]*operation="read"\} 4096\n/)
    assert.match(text, /kernel_passthrough_handles\{[^}]*\} 1\n/)
  })

  it('are served over HTTP on a port that was free', async () => {
    const server = await serveMetrics(parseMetricsAddress('127.0.0.1:0', false), () => 'x 1\n')
    try {
      assert.match(server.url, /^http:\/\/127\.0\.0\.1:[1-9]\d*\/metrics$/)
      const response = await fetch(server.url)
      assert.equal(await response.text(), 'x 1\n')
      assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
      assert.equal((await fetch(server.url, { method: 'POST' })).status, 405)
      assert.equal((await fetch(server.url.replace('/metrics', '/'))).status, 404)
      const address = parseMetricsAddress(new URL(server.url).host, false)
      await assert.rejects(
        serveMetrics(address, () => ''),
        /already in use/,
      )
    } finally {
      server.close()
    }
  })

  it('are served on a socket for its owner alone, also where a dead process left one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hawser-metrics-'))
    const address = parseMetricsAddress(`unix:${folder}/m.sock`, false)
    try {
      const server = await serveMetrics(address, () => 'x 1\n')
      assert.equal(statSync(join(folder, 'm.sock')).mode & 0o777, 0o600)
      const status = await new Promise((resolve, reject) => {
        get({ socketPath: join(folder, 'm.sock'), path: '/metrics' }, (response) => {
          response.resume()
          resolve(response.statusCode)
        }).on('error', reject)
      })
      assert.equal(status, 200)
      await assert.rejects(
        serveMetrics(address, () => ''),
        /already in use/,
      )
      server.close()
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('the address of metrics', () => {
  const accepted: [text: string, expected: object][] = [
    ['127.0.0.1:9100', { type: 'tcp', host: '127.0.0.1', port: 9100 }],
    ['9100', { type: 'tcp', host: '127.0.0.1', port: 9100 }],
    [':0', { type: 'tcp', host: '127.0.0.1', port: 0 }],
    ['localhost:1', { type: 'tcp', host: 'localhost', port: 1 }],
    ['[::1]:1', { type: 'tcp', host: '::1', port: 1 }],
    ['unix:/run/m.sock', { type: 'unix', path: '/run/m.sock' }],
  ]
  for (const [text, expected] of accepted) {
    it(`may be ${text}`, () => assert.deepEqual(parseMetricsAddress(text, false), expected))
  }

  for (const text of [
    '0.0.0.0:9100',
    '[::]:9100',
    '192.0.2.1:1',
    'example.org:1',
    '127.0.0.1.example.org:1',
  ]) {
    it(`is not ${text} unless that is meant`, () => {
      assert.throws(() => parseMetricsAddress(text, false), /not a loopback address.*--metrics-allow-remote/)
      assert.equal(parseMetricsAddress(text, true).type, 'tcp')
    })
  }

  for (const text of [
    '',
    'localhost',
    '127.0.0.1:99999',
    'unix:relative',
    `unix:/${'x'.repeat(120)}`,
    '::1:9100',
  ]) {
    it(`is not '${text.slice(0, 20)}'`, () =>
      assert.throws(() => parseMetricsAddress(text, true), /--metrics/))
  }
})
