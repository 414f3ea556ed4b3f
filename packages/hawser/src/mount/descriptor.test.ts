// A descriptor of /dev/fuse that somebody else has mounted, in ways that this server would not.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDevice } from '@hawser/fuse'
import { constants as c, errnoName, Peer } from '@hawser/test-kit'
import { MountedServer } from '../test-support/mounted-server.js'
import { needsRoot, Workspace } from '../test-support/workspace.js'

for (const acl of [false, true])
  test(
    `other users do not act as root, whoever mounted without default_permissions, acl=${acl}`,
    needsRoot,
    async (t) => {
      const place = new Workspace(t)
      const source = place.directory('source')
      for (const [name, mode] of [
        ['secret', 0o600],
        ['public', 0o644],
      ] as const) {
        writeFileSync(join(source, name), name)
        chmodSync(join(source, name), mode)
      }
      const mountpoint = place.directory('mnt')
      const device = await openDevice({ mountpoint, how: 'mount', allowOther: true })
      const options = { allowOther: true, acl }
      const server = await MountedServer.start(
        { source, mountpoint: '/dev/fd/3', options },
        (command, args) => spawn(command, args, { cwd: '/', stdio: ['pipe', 'pipe', 'inherit', device.fd] }),
      )
      place.atEnd(() => server.kill())
      device.close()
      const peer = await Peer.start({ uid: 64001, gid: 64001, groups: [] })
      t.after(() => peer.kill())
      const open = (name: string, flags: number) => peer.sys.open(join(mountpoint, name), flags, 0o644)
      assert.ok((await open('public', c.O_RDONLY)) >= 0)
      assert.equal(errnoName(await open('secret', c.O_RDONLY)), 'EACCES')
      assert.equal(errnoName(await open('public', c.O_WRONLY)), 'EACCES')
      assert.equal(errnoName(await open('new', c.O_CREAT | c.O_WRONLY)), 'EACCES')
      assert.equal(errnoName(await peer.sys.unlink(join(mountpoint, 'public'))), 'EACCES')
      assert.equal(readFileSync(join(mountpoint, 'secret'), 'utf8'), 'secret')
    },
  )
