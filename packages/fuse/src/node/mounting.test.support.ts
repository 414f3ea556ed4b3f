// File systems that the test's own process serves: everything on them is done asynchronously.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ownThread } from '../device/system.js'
import type { FuseMount } from '../mount.js'
import { constants, native, sys } from '../native.js'

/** Mounts on an empty directory, until the test ends. */
export async function mountForTest<M extends FuseMount>(
  t: TestContext,
  mounting: (path: string) => Promise<M>,
): Promise<M> {
  const path = await mkdtemp(join(tmpdir(), 'hawser-node-'))
  let mounted: M | undefined
  t.after(async () => {
    await mounted?.unmount('force')
    await mounted?.closed
    await rm(path, { recursive: true })
  })
  mounted = await mounting(path)
  return mounted
}

/** renameat2(2). Resolves to 0 or a negated errno. */
export function rename(from: string, to: string, flags: number): Promise<number> {
  const names = [from, to].map((path) => Buffer.from(`${path}\0`))
  const { AT_FDCWD } = constants
  const [fromAddress, toAddress] = names.map((name) => native.address(name))
  return ownThread(names, sys.renameat2, AT_FDCWD, fromAddress, AT_FDCWD, toAddress, flags)
}
