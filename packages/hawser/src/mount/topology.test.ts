// Where a mount and its source lie in each other's way.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { errnoName, posix } from '@hawser/test-kit'
import { needsRoot, run, Workspace } from '../test-support/workspace.js'

/** Everything below a directory, each by its path from there; ends only if the tree does. */
const walk = (directory: string) =>
  run('find', directory, '-mindepth', '1', '-printf', '%P\\n').split('\n').filter(Boolean).sort()

for (const submounts of [false, true])
  for (const propagation of ['private', 'shared'])
    test(`mounted over itself, ${propagation}, submounts=${submounts}`, needsRoot, async (t) => {
      const place = new Workspace(t)
      const source = place.tmpfs()
      run('mount', `--make-${propagation}`, source)
      writeFileSync(join(source, 'before'), 'beneath')
      const server = await place.serve(source, { submounts }, source)
      assert.match(run('findmnt', '-no', 'FSTYPE', '-T', source), /fuse/)
      assert.deepEqual(walk(source), ['before'])
      writeFileSync(join(source, 'after'), 'through')
      assert.equal(readFileSync(join(source, 'before'), 'utf8'), 'beneath')
      assert.ok(((await server.state()).operations.create ?? 0) > 0)
      await server.unmount()
      assert.deepEqual(walk(source), ['after', 'before'])
    })

for (const submounts of [false, true])
  for (const propagation of ['private', 'shared'])
    test(`mounted inside its source, ${propagation}, submounts=${submounts}`, needsRoot, async (t) => {
      const place = new Workspace(t)
      const source = place.tmpfs()
      run('mount', `--make-${propagation}`, source)
      const point = join(source, 'deep/point')
      mkdirSync(point, { recursive: true })
      writeFileSync(join(source, 'file'), 'content')
      const server = await place.serve(source, { submounts }, point)
      assert.deepEqual(walk(point), ['deep', 'deep/point', 'file'])
      // A file system that is mounted later is not seen either.
      mkdirSync(join(source, 'later'))
      run('mount', '-t', 'tmpfs', 'tmpfs', join(source, 'later'))
      writeFileSync(join(source, 'later/hidden'), '')
      assert.deepEqual(walk(point), ['deep', 'deep/point', 'file', 'later'])
      writeFileSync(join(point, 'deep/point/beneath'), 'under the mount')
      assert.equal(existsSync(join(point, 'deep/point/beneath')), true)
      assert.equal(existsSync(join(point, 'beneath')), false)
      await server.unmount()
      assert.equal(readFileSync(join(point, 'beneath'), 'utf8'), 'under the mount')
    })

for (const submounts of [false, true])
  test(`two mounts, each inside the other's source, submounts=${submounts}`, needsRoot, async (t) => {
    const place = new Workspace(t)
    const [one, other] = [place.tmpfs(), place.tmpfs()]
    for (const source of [one, other]) {
      mkdirSync(join(source, 'point'))
      writeFileSync(join(source, 'file'), source)
    }
    await place.serve(one, { submounts, cache: 'never' }, join(other, 'point'))
    await place.serve(other, { submounts, cache: 'never' }, join(one, 'point'))
    assert.equal(readFileSync(join(other, 'point/file'), 'utf8'), one)
    assert.equal(readFileSync(join(one, 'point/file'), 'utf8'), other)
    assert.deepEqual(walk(join(other, 'point')), ['file', 'point'])
    // The second one's clone was made when the first was there: with submounts it shows that, and no more.
    const seen = submounts ? ['file', 'point', 'point/file', 'point/point'] : ['file', 'point']
    assert.deepEqual(walk(join(one, 'point')), seen)
  })

test('the mount point is a file system that is mounted inside the source', needsRoot, async (t) => {
  const place = new Workspace(t)
  const source = place.tmpfs()
  mkdirSync(join(source, 'point'))
  run('mount', '-t', 'tmpfs', 'tmpfs', join(source, 'point'))
  await place.serve(source, {}, join(source, 'point'))
  assert.deepEqual(walk(join(source, 'point')), ['point'])
})

test(
  'without root, a mount point inside the source is refused, also by another path',
  needsRoot,
  async (t) => {
    const place = new Workspace(t)
    const session = await place.unprivileged()
    const inside = place.seen(session, session.directory)
    run('sh', '-c', `umask 0; mkdir -p ${inside}/source/deep/point ${inside}/source-not/point`)
    run('chown', '-R', `${session.uid}`, `${inside}/source`, `${inside}/source-not`)
    symlinkSync('source', `${inside}/alias`)
    const at = (source: string, mountpoint: string) =>
      place.serveUnprivileged(
        session,
        `${session.directory}/${source}`,
        { allowOther: true },
        `${session.directory}/${mountpoint}`,
      )
    await assert.rejects(
      at('source', 'source/deep/point'),
      /point lies inside the source .*mount it elsewhere/,
    )
    await assert.rejects(at('alias', 'source/deep/point'), /lies inside the source/)
    await assert.rejects(at('source', 'alias/deep/point'), /lies inside the source/)
    await at('source', 'source-not/point')
    assert.deepEqual(readdirSync(`${inside}/source-not/point`), ['deep'])
  },
)

test('without root, mounted over itself', needsRoot, async (t) => {
  const place = new Workspace(t)
  const session = await place.unprivileged()
  const source = `${session.directory}/source`
  run(
    'sh',
    '-c',
    `umask 0; mkdir ${place.seen(session, source)}; echo x >${place.seen(session, source)}/file`,
  )
  run('chown', '-R', `${session.uid}`, place.seen(session, source))
  await place.serveUnprivileged(session, source, { allowOther: true, cache: 'never' }, source)
  assert.deepEqual(readdirSync(place.seen(session, source)), ['file'])
  assert.equal(readFileSync(`${place.seen(session, source)}/file`, 'utf8'), 'x\n')
})

test(
  'without root, other file systems inside the source cannot be entered, and do not block',
  needsRoot,
  async (t) => {
    const place = new Workspace(t)
    const session = await place.unprivileged()
    const [one, other] = ['one', 'other'].map((name) => `${session.directory}/${name}`)
    for (const path of [one, other]) {
      run(
        'sh',
        '-c',
        `umask 0; mkdir -p ${place.seen(session, path)}/point; echo x >${place.seen(session, path)}/file`,
      )
      run('chown', '-R', `${session.uid}`, place.seen(session, path))
    }
    const options = { allowOther: true, cache: 'never' } as const
    await place.serveUnprivileged(session, one, options, `${other}/point`)
    await place.serveUnprivileged(session, other, options, `${one}/point`)
    const [first, second] = [`${other}/point`, `${one}/point`].map((path) => place.seen(session, path))
    for (const top of [first, second]) {
      assert.deepEqual(readdirSync(top).sort(), ['file', 'point'])
      assert.equal(readFileSync(`${top}/file`, 'utf8'), 'x\n')
      assert.equal(errnoName(posix.access(`${top}/point`, 0)), 'EXDEV')
    }
  },
)
