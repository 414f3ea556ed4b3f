import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMountTable } from './mount-table.js'

test('mount points with spaces, optional fields and device numbers', () => {
  const text = [
    '36 35 98:0 / /mnt rw,noatime shared:7 master:1 - ext3 /dev/root rw,errors=continue',
    '90 22 0:53 / /dev/shm/a\\040b rw,nosuid - fuse.hawser source rw,user_id=0',
    '',
  ].join('\n')
  assert.deepEqual(parseMountTable(text), [
    { device: 98 * 2 ** 20, mountPoint: '/mnt', type: 'ext3' },
    { device: 53, mountPoint: '/dev/shm/a b', type: 'fuse.hawser' },
  ])
})
