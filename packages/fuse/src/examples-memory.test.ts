import assert from 'node:assert/strict'
import { chmodSync, closeSync, openSync, readdirSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { mountPointIn, needsRoot, run } from './device/isolation.test.support.js'
import { startExample } from './examples.test.support.js'

/** As much of the test kit as is used here: it is no dependency of this package. */
interface TestKit {
  runConformance(options: {
    directory: string
    reference: string
    filter: (name: string) => boolean
    expectedFailures: Record<string, string>
  }): Promise<{
    passed: string[]
    failed: { name: string; error: string }[]
    notRun: { name: string; why: string }[]
  }>
  runModelChecker(options: {
    directory: string
    reference: string
    seed: number
    sequences: number
    steps: number
    without: string[]
  }): Promise<{ failure?: unknown }>
}
const kitPath = new URL('../../test-kit/dist/index.js', import.meta.url).href

test('the example in memory conforms, but for what it does not claim', {
  ...needsRoot,
  timeout: 900_000,
}, async (t) => {
  const { runConformance, runModelChecker } = (await import(kitPath)) as TestKit
  const directory = mountPointIn(t)
  const reference = mountPointIn(t, 'reference')
  for (const path of [directory, reference]) chmodSync(dirname(path), 0o755)
  assert.equal((await run('mount', '-t', 'tmpfs', '-o', 'size=1g,nr_inodes=0', 'none', reference)).status, 0)
  await startExample(t, 'memory', '--allow-other', directory)

  const size = 'tmpfs has no largest file; the example has one of 16 TiB, and the session one of 2^53'
  const { passed, failed, notRun } = await runConformance({
    directory,
    reference,
    // POSIX ACLs: the example refuses them.
    filter: (name) => !name.startsWith('acl: '),
    expectedFailures: {
      'errno: offsets: negative ones are EINVAL, beyond the largest file EFBIG, far reads empty': size,
      'truncate: beyond what the filesystem can hold it has the errno of the reference': size,
      'holes: zero range zeroes, with and without KEEP_SIZE, as on the reference': 'tmpfs cannot',
    },
  })
  assert.deepEqual(failed, [])
  assert.deepEqual(notRun, [])
  assert.ok(passed.length > 200, `${passed.length} passed`)

  const model = await runModelChecker({
    directory,
    reference,
    seed: 1,
    sequences: 10,
    steps: 200,
    without: ['fallocate', 'truncate', 'ftruncate'],
  })
  assert.equal(model.failure, undefined)
})

test('the example in memory has no more space than it was given, and gets it back', needsRoot, async (t) => {
  const mountpoint = mountPointIn(t)
  await startExample(t, 'memory', `--size=${1 << 20}`, mountpoint)
  const free = () => statfsSync(mountpoint).bfree
  const path = join(mountpoint, 'file')
  assert.equal(free(), 256)
  assert.throws(() => writeFileSync(path, Buffer.alloc(2 << 20)), { code: 'ENOSPC' })
  writeFileSync(path, Buffer.alloc(1 << 20, 'x'))
  assert.equal(free(), 0)
  const fd = openSync(path, 'r')
  unlinkSync(path)
  assert.equal(free(), 0)
  closeSync(fd)
  // FORGET follows when the kernel likes.
  while (free() !== 256) await new Promise((resolve) => setTimeout(resolve, 5))
})

test('the example in memory keeps names that are no UTF-8', needsRoot, async (t) => {
  const mountpoint = mountPointIn(t)
  await startExample(t, 'memory', mountpoint)
  const name = Buffer.from([0x66, 0xff, 0xc3, 0xa9])
  writeFileSync(Buffer.concat([Buffer.from(`${mountpoint}/`), name]), 'x')
  assert.deepEqual(readdirSync(Buffer.from(mountpoint), 'buffer'), [name])
})
