import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checked } from '../errors.js'
import { native, sys } from '../native.js'
import { encodeName } from '../protocol/index.js'
import { connectionOf, findMount } from './index.js'
import { needsRoot, temporaryDirectory } from './isolation.test.support.js'
import { parseMounts } from './mountinfo.js'
import { cString } from './system.js'

test('a line of mountinfo: escapes, optional fields, bytes that are no UTF-8', () => {
  const line = Buffer.concat([
    Buffer.from('36 35 0:98 /sub\\040dir /mnt/a\\011b\\012c\\134d\\043e'),
    Buffer.of(0xff),
    Buffer.from('\\303\\274 rw,nosuid shared:1 master:2 - fuse.my\\040fs a,b\\134c\\040d rw,user_id=5\n'),
  ])
  assert.deepEqual(parseMounts(line), [
    {
      id: 36,
      parentId: 35,
      major: 0,
      minor: 98,
      root: '/sub dir',
      mountPoint: '/mnt/a\tb\nc\\d#e\udcffü',
      options: ['rw', 'nosuid'],
      type: 'fuse.my fs',
      source: 'a,b\\c d',
      superOptions: ['rw', 'user_id=5'],
    },
  ])
})

test('a line without optional fields, and with an empty source', () => {
  const [entry] = parseMounts(Buffer.from('21 1 8:3 / / rw - ext4  rw\n'))
  assert.equal(entry.type, 'ext4')
  assert.equal(entry.source, '')
  assert.deepEqual(entry.superOptions, ['rw'])
})

test('the connection of a block device mount has both halves of its number', () => {
  assert.equal(connectionOf({ major: 0, minor: 42 }), 42)
  assert.equal(connectionOf({ major: 8, minor: 3 }), 8 * 2 ** 20 + 3)
})

test('the topmost mount is found at a path with every odd byte', needsRoot, (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'a b\tc\nd\\e#f\udcffü')
  mkdirSync(Buffer.from(encodeName(path)))
  assert.equal(findMount(path), undefined)
  for (const source of ['below', 'above']) {
    const texts = [source, path, 'tmpfs'].map(cString)
    const [from, to, type] = texts.map((text) => native.address(text))
    checked(native.syscall(sys.mount, from, to, type, 0, 0))
  }
  const entry = findMount(path)
  assert.equal(entry?.mountPoint, path)
  assert.equal(entry?.source, 'above')
  assert.equal(findMount(`${directory}/x/../${path.slice(directory.length)}`)?.id, entry?.id)
})
