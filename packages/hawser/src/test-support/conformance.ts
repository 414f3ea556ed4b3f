// One run of the conformance suite on a mount of a file system of its own.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Omission, runConformance, runModelChecker } from '@hawser/test-kit'
import type { MountOptions } from '../mount/types.js'
import { knownDifferences } from './known-differences.js'
import { Workspace } from './workspace.js'

export interface Combination extends Pick<MountOptions, 'cache' | 'passthrough'> {
  source: 'ext4' | 'tmpfs' | 'overlay'
}

/** Mounts a directory of a new file system as root; another one is the reference. */
export async function conforms(
  t: TestContext,
  { source: kind, cache, passthrough }: Combination,
): Promise<void> {
  const place = new Workspace(t)
  const base = kind === 'overlay' ? place.overlay().merged : place[kind]()
  const [source, reference] = ['source', 'reference'].map((name) => join(base, name))
  for (const path of [source, reference]) mkdirSync(path)
  const server = await place.serve(source, { allowOther: true, cache, passthrough })
  const directory = server.mountpoint
  // The kernel does not pass through to a file system that itself lies on others (max_stack_depth).
  const setting = { source: kind, cache, kernelPassthrough: passthrough === 'auto' && kind !== 'overlay' }
  const { passed, failed, notRun } = await runConformance({
    directory,
    reference,
    expectedFailures: knownDifferences(setting),
  })
  for (const { name, why } of notRun) t.diagnostic(`not run: ${name}: ${why}`)
  // Kernels differ in what the file system beneath can do; root can be everybody everywhere.
  assert.deepEqual(
    notRun.filter(({ why }) => !/needs (?:direct|btime|tmpfile|exchange|holes),/.test(why)),
    [],
  )
  assert.deepEqual(failed, [])
  assert.ok(passed.length > 200, `${passed.length} passed`)
  // What the kernel writes itself, it writes without CAP_FSETID: set-id bits given to an open file fall, root's writes or not.
  const without: Omission[] = setting.kernelPassthrough ? ['chmod', 'fchmod'] : []
  const model = await runModelChecker({ directory, reference, seed: 1, sequences: 5, steps: 150, without })
  assert.equal(model.failure, undefined)
  const { handles } = await server.settled((state) => state.handles === 0)
  assert.equal(handles, 0)
}

export function title({ source, cache, passthrough }: Combination): string {
  return `${source}, cache=${cache}, passthrough=${passthrough}`
}
