// What npm packs of this package is all that it needs: nothing is built when it is installed.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const packageFolder = fileURLToPath(new URL('..', import.meta.url))

test('the package works where it was unpacked, and nothing else', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-package-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const run = (command: string, args: string[]) =>
    execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const [{ filename, files }] = JSON.parse(
    run('npm', ['pack', '--json', '--offline', '--ignore-scripts', packageFolder]),
  ) as [{ filename: string; files: { path: string }[] }]
  const installed = join(folder, 'node_modules/@hawser/fuse')
  mkdirSync(installed, { recursive: true })
  run('tar', ['-xzf', filename, '-C', installed, '--strip-components=1'])
  writeFileSync(join(folder, 'use.mjs'), "import { errno } from '@hawser/fuse'\nconsole.log(errno.ENOENT)\n")
  assert.equal(run(process.execPath, ['use.mjs']), '2\n')
  const unwanted = files.map(({ path }) => path).filter((path) => /\.test\.|\.tsbuildinfo$/.test(path))
  assert.deepEqual(unwanted, [])
})
