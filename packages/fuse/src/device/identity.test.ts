import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'
import { constants } from '../native.js'
import { identify, mountIdFromProc } from './identity.js'
import { mountPointIn, needsRoot } from './isolation.test.support.js'
import { createDetached } from './kernel-mount.js'
import { resolveOptions } from './mount-options.js'
import { findMount } from './mountinfo.js'

test('the id of a mount is the same by statx, by /proc and in mountinfo', needsRoot, async (t) => {
  const path = mountPointIn(t)
  const open = (name: string) => {
    const fd = openSync(name, constants.O_PATH)
    t.after(() => closeSync(fd))
    return fd
  }
  // Nobody serves this one: it is not to be asked.
  const detached = createDetached(resolveOptions({ mountpoint: path }))
  assert.ok(detached)
  t.after(() => [detached.fd, detached.mountFd].map((fd) => closeSync(fd)))
  for (const fd of [open('/'), open('/proc'), open(path), detached.mountFd])
    assert.equal(mountIdFromProc(fd), (await identify(fd)).mountId)
  assert.equal(mountIdFromProc(open('/proc')), findMount('/proc')?.id)
})
