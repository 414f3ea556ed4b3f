// A tree of many files, each of them looked at: memory and descriptors stay bounded, and every file can be opened again.
// HAWSER_TEST_FILES=1000000 runs it in full.
import assert from 'node:assert/strict'
import { closeSync, lstatSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { UnprivilegedSession } from '@hawser/test-kit'
import type { MountedServer } from '../test-support/mounted-server.js'
import type { ServerState } from '../test-support/server-main.js'
import { until } from '../test-support/until.js'
import { emptied, needsRoot, run, Workspace } from '../test-support/workspace.js'

const FILES = Number(process.env.HAWSER_TEST_FILES ?? 100_000)
const PER_DIRECTORY = 1000
const DIRECTORIES = Math.ceil(FILES / PER_DIRECTORY)
/** KiB: for a million files, and what Node itself needs. */
const RESIDENT_MAX = FILES >= 1_000_000 ? 244_000 : 130_000 + (FILES / 1_000_000) * 150_000

const make = `
import os, sys
root, directories, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for d in range(directories):
    path = "%s/directory-%04d" % (root, d)
    os.mkdir(path)
    fd = os.open(path, os.O_RDONLY)
    for f in range(files):
        os.mknod("file-%04d" % f, 0o644, dir_fd=fd)
    os.close(fd)
`

/** Looks at every file through the mount, as one process does that walks the tree. */
const look = `
import os, sys
root, directories, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for d in range(directories):
    fd = os.open("%s/directory-%04d" % (root, d), os.O_RDONLY)
    for f in range(files):
        os.stat("file-%04d" % f, dir_fd=fd, follow_symlinks=False)
    os.close(fd)
`

const someFile = (directory: number, file: number) =>
  join(`directory-${String(directory).padStart(4, '0')}`, `file-${String(file).padStart(4, '0')}`)

for (const privileged of [true, false])
  test(`${FILES} files, ${privileged ? 'by file handle' : 'by parent and name'}`, needsRoot, async (t) => {
    const place = new Workspace(t)
    const source = place.tmpfs('size=2g,nr_inodes=2000000')
    run('python3', '-c', make, source, `${DIRECTORIES}`, `${PER_DIRECTORY}`)
    let server: MountedServer
    let top: string
    let session: UnprivilegedSession | undefined
    // Names and attributes stay with the kernel for as long as it has room: no node is asked for twice meanwhile.
    if (privileged) {
      server = await place.serve(source, { cache: 'always', passthrough: 'off' })
      top = server.mountpoint
    } else {
      session = await place.unprivileged()
      run('chown', '-R', `${session.uid}`, source)
      server = await place.serveUnprivileged(session, source, { cache: 'always', allowOther: true })
      top = place.seen(session, server.mountpoint)
    }
    const lookAtAll = () => {
      run('python3', '-c', look, top, `${DIRECTORIES}`, `${PER_DIRECTORY}`)
      return server.state()
    }
    let full!: ServerState
    // Others may empty the kernel's caches, which are everybody's.
    await until(async () => {
      full = await lookAtAll()
      return full.nodes >= FILES
    })
    t.diagnostic(
      `${full.nodes} nodes, ${Math.round(full.resident / 1024)} MiB resident, ${full.descriptors} descriptors`,
    )
    assert.ok(full.nodes >= FILES, `${full.nodes} nodes`)
    assert.ok(full.resident < RESIDENT_MAX, `${full.resident} KiB resident`)
    assert.ok(full.descriptors < 2000, `${full.descriptors} descriptors`)

    // Their descriptors have been given up long ago: the server has to find them again.
    for (let at = 0; at < DIRECTORIES; at += Math.ceil(DIRECTORIES / 50)) {
      const name = someFile(at, (at * 7) % PER_DIRECTORY)
      const fd = openSync(join(top, name), 'r+')
      writeSync(fd, name)
      closeSync(fd)
      assert.equal(readFileSync(join(source, name), 'utf8'), name)
      assert.equal(lstatSync(join(top, name)).ino, lstatSync(join(source, name)).ino)
      writeFileSync(join(source, name), '')
    }

    const empty = await emptied(server, (state) => state.nodes <= 1, session)
    assert.equal(empty.nodes, 1)
    assert.equal(empty.handles, 0)
    // What is made afterwards uses the same records again.
    mkdirSync(join(top, 'later'))
    assert.equal(lstatSync(join(top, 'later')).isDirectory(), true)
  })
