import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { exitOf, Fixture, isServer, program, until } from './end-to-end.js'

const limit = { timeout: 900_000 }

describe('hawser demo', limit, () => {
  let at: Fixture
  let temporary: string
  beforeEach(() => {
    at = new Fixture()
    temporary = join(at.folder, 'tmp')
    mkdirSync(temporary)
    at.environment.TMPDIR = temporary
  })
  afterEach(() => at.end())

  /** Mounts below the demo's temporary folder. */
  const mounts = () =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.split(' ')[4]?.startsWith(temporary))

  it('works, measures, compares and leaves nothing', limit, async () => {
    const demo = at.start(process.execPath, [program, 'demo'])
    let output = ''
    demo.stdout?.on('data', (chunk) => {
      output += chunk
    })
    assert.equal(await exitOf(demo), 0, output)
    assert.equal(output.match(/^ {2}ok {2}/gm)?.length, 6, output)
    assert.match(output, /^create 2000 small files +[\d,]+ files\/s +[\d,]+ files\/s +[\d.]+×$/m)
    assert.match(output, /The server answered [\d,]+ requests/)
    assert.match(output, /just as the mount showed them/)
    assert.deepEqual(mounts(), [])
    assert.deepEqual(readdirSync(temporary), [])
  })

  it('cleans up after Ctrl-C', limit, async () => {
    const demo = at.start(process.execPath, [program, 'demo'])
    let output = ''
    demo.stdout?.on('data', (chunk) => {
      output += chunk
    })
    await until(() => output.includes('  ok  '), 'it works')
    const pid = Number(/process (\d+)/.exec(output)?.[1])
    assert.ok(isServer(pid))
    demo.kill('SIGINT')
    assert.equal(await exitOf(demo), 130)
    await until(() => !isServer(pid), 'the server ends')
    assert.deepEqual(mounts(), [])
    assert.deepEqual(readdirSync(temporary), [])
  })
})

describe('hawser doctor', limit, () => {
  const at = new Fixture()
  afterEach(() => at.end())

  it('mounts, and says what it found', limit, async () => {
    const { code, stdout } = await at.hawser('doctor', '--json')
    const { works, sections } = JSON.parse(stdout)
    assert.equal(code, 0, stdout)
    assert.equal(works, true)
    const checks = new Map(
      sections.flatMap(({ checks }: { checks: { name: string; verdict: string }[] }) =>
        checks.map((check) => [check.name, check]),
      ),
    )
    for (const name of [
      'addon',
      '/dev/fuse',
      'fusermount3',
      'passthrough',
      'io_uring',
      'open files',
      'memory',
    ]) {
      assert.ok(checks.has(name), name)
    }
    assert.equal((checks.get('test mount') as { verdict: string }).verdict, 'ok')
  })
})
