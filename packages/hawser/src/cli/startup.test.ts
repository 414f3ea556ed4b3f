import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Script } from 'node:vm'
import { exitOf, Fixture, program, until } from './end-to-end.js'

const limit = { timeout: 120_000 }
const hawser = dirname(dirname(program))
const fuse = join(hawser, '../fuse')
const bundles = join(hawser, 'dist/bundle')

describe('the start of a mount', limit, () => {
  let at: Fixture
  beforeEach(() => {
    at = new Fixture()
  })
  afterEach(() => at.end())

  for (const name of ['background', 'daemon']) {
    it(`compiles nothing: ${name} is as it was built`, () => {
      const filename = join(bundles, `${name}.js`)
      const cachedData = readFileSync(`${filename}.cache`)
      const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData })
      assert.equal(script.cachedDataRejected, false)
    })
  }

  it(
    'is that of an installed package, of a Node that did not build it, and says what is missing',
    limit,
    async () => {
      const modules = join(at.folder, 'node_modules')
      const call = [join(modules, 'hawser/bin/hawser.js'), 'mount', at.source, at.mountpoint]
      const install = (from: string, to: string, names: readonly string[]) => {
        for (const name of names) cpSync(join(from, name), join(modules, to, name), { recursive: true })
      }
      install(hawser, 'hawser', ['bin', 'package.json'])
      const unbuilt = await at.run(process.execPath, call)
      assert.equal(unbuilt.code, 1)
      assert.match(unbuilt.stderr, /^hawser: not built yet: [^\n]*npm run build[^\n]*\n$/)

      install(hawser, 'hawser', ['dist'])
      for (const name of ['background', 'daemon']) {
        writeFileSync(join(modules, `hawser/dist/bundle/${name}.js.cache`), '')
      }
      install(fuse, '@hawser/fuse', ['dist', 'package.json'])
      const { code, stderr } = await at.run(process.execPath, call)
      assert.equal(code, 1)
      assert.match(stderr, /^hawser: [^\n]*cannot load the FUSE addon [^\n]*native\.node[^\n]*\n$/)
      assert.deepEqual(at.mounted(), [])

      install(fuse, '@hawser/fuse', ['build'])
      assert.deepEqual(await at.run(process.execPath, call), { code: 0, stdout: '', stderr: '' })
      assert.equal(readFileSync(at.path('hello'), 'utf8'), 'hello, world\n')
      const again = await at.run(process.execPath, call)
      assert.match(again.stderr, /^hawser: [^\n]*already mounted[^\n]*\n$/)
    },
  )

  it('reads no certificates in the background', limit, async () => {
    at.environment.NODE_EXTRA_CA_CERTS = join(at.folder, 'certificates')
    at.environment.KEPT = 'kept'
    writeFileSync(at.environment.NODE_EXTRA_CA_CERTS, '')
    await at.mount()
    const [{ pid }] = await at.status()
    const names = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .map((line) => line.split('=')[0])
    assert.ok(names.includes('KEPT') && !names.includes('NODE_EXTRA_CA_CERTS'))
  })

  it('has no second process where a configuration file says foreground', limit, async () => {
    const configuration = join(at.folder, 'config/hawser')
    mkdirSync(configuration, { recursive: true })
    writeFileSync(join(configuration, 'config.json'), '{"foreground": true}')
    const server = at.start(process.execPath, [program, 'mount', at.source, at.mountpoint])
    await until(() => existsSync(at.path('hello')), 'it mounts')
    const children = () => readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8')
    await until(() => children() === '', 'the other process ends')
    server.kill('SIGTERM')
    assert.equal(await exitOf(server), 0)
  })
})
