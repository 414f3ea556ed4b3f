// Numbers that cannot be served are refused before anything is mounted: callers would wait for ever, or the process end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findMount } from './device/index.js'
import { mountPointIn, needsRoot } from './device/isolation.test.support.js'
import { type FuseMountOptions, mount } from './mount.js'

test('options of a session that cannot be used, in one line', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const wrong: [FuseMountOptions, RegExp][] = [
    [{ maxInFlight: 0 }, /^maxInFlight 0 must be a whole number of at least 1$/],
    [{ maxInFlight: Number.NaN }, /maxInFlight NaN/],
    [{ maxMemory: 0 }, /maxMemory 0/],
    [{ maxMemory: 0.5 }, /maxMemory 0.5/],
    [{ features: { maxWrite: -1 } }, /^maxWrite -1 must be a whole number from 4096 to 268431360$/],
    [{ features: { maxWrite: Number.NaN } }, /maxWrite NaN/],
    [{ features: { maxWrite: 1e12 } }, /maxWrite 1000000000000/],
    [{ features: { minor: 30 } }, /minor 30 must be a whole number from 31 to 45/],
    [{ features: { minor: 46 } }, /minor 46/],
    [{ features: { maxReadahead: -1 } }, /maxReadahead -1/],
    [{ features: { maxBackground: 65536 } }, /maxBackground 65536/],
    [{ features: { requestTimeout: 65536 } }, /requestTimeout 65536/],
    [{ features: { maxStackDepth: 3 as 2 } }, /maxStackDepth 3/],
    [{ features: { idmap: true } }, /idmap needs defaultPermissions/],
  ]
  for (const [options, message] of wrong) {
    await assert.rejects(mount({}, path, options), { code: 'FUSE_OPTION', message }, JSON.stringify(options))
    assert.equal(findMount(path), undefined)
  }
})

test('the least that can be used is enough', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const features = { maxWrite: 4096, maxReadahead: 0, maxBackground: 1 }
  const getattr: NonNullable<Parameters<typeof mount>[0]['getattr']> = (_, reply) =>
    reply.attr.set({ ino: 1, mode: 0o40755 })
  const mounted = await mount({ getattr }, path, { maxInFlight: 1, maxMemory: 1, features })
  await mounted.unmount()
  await mounted.closed
})
