import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chosen, type Options, parseOptions, UsageError } from './options.js'
import { rows } from './rows.js'
import { servers } from './servers.js'

test('the defaults run enough rounds for a median of placements', () => {
  const options = parseOptions([]) as Options
  assert.ok(options.rounds >= 9)
  assert.equal(options.directory, '/dev/shm')
})

test('quick gives way to what is asked for', () => {
  const options = parseOptions(['--quick', '--rounds', '5']) as Options
  assert.equal(options.rounds, 5)
  assert.equal(options.seconds, 0.1)
})

test('bad values are usage errors', () => {
  assert.throws(() => parseOptions(['--rounds', 'many']), UsageError)
  assert.throws(() => parseOptions(['--no-such']), UsageError)
})

test('an id is chosen by itself or by its beginning', () => {
  assert.ok(chosen('create-unlink-pinned', ['create-unlink']))
  assert.ok(!chosen('create-unlink', ['create-unlink-pinned']))
  assert.ok(!chosen('created', ['create']))
  assert.ok(chosen('anything', []))
})

test('rows and servers have ids of their own', () => {
  for (const list of [rows, servers]) assert.equal(new Set(list.map(({ id }) => id)).size, list.length)
})
