// SIGKILL of the server under load: nobody hangs, the mount point can be used again, and what was acknowledged is there.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { errnoName, posix } from '@hawser/test-kit'
import { needsRoot, Workspace } from '../test-support/workspace.js'

/** Writes files for as long as that works, and names each one that it was told is written. Looks around meanwhile. */
const load = `
import os, sys
top, writer = sys.argv[1], sys.argv[2]
for number in range(1000000):
    name = "%s/%s-%d" % (top, writer, number)
    text = ("%s %d " % (writer, number)).encode() * (1 + number % 2000)
    try:
        fd = os.open(name + ".new", os.O_CREAT | os.O_WRONLY, 0o644)
        written = os.write(fd, text)
        if number % 10 == 0: os.fsync(fd)
        os.close(fd)
        os.rename(name + ".new", name)
        if number % 3 == 0: os.listdir(top)
        if number % 5 == 0:
            fd = os.open(name, os.O_RDONLY)
            os.read(fd, 100)
            os.close(fd)
    except OSError as error:
        print("end", error.errno, flush=True)
        break
    print("done", number, written, flush=True)
`

for (const passthrough of ['off', 'auto'] as const)
  for (const cache of ['auto', 'always'] as const)
    test(`passthrough=${passthrough}, cache=${cache}`, needsRoot, async (t) => {
      const place = new Workspace(t)
      const source = place.ext4(512)
      const first = await place.serve(source, { passthrough, cache })
      const { mountpoint } = first
      const output: string[] = []
      let lines = 0
      const writers = Array.from({ length: 4 }, (_, index) => {
        const child = spawn('python3', ['-c', load, mountpoint, `writer${index}`], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        t.after(() => child.kill('SIGKILL'))
        output[index] = ''
        child.stdout.on('data', (data: Buffer) => {
          output[index] += data
          lines += String(data).split('\n').length - 1
          if (lines > 400) first.process.kill('SIGKILL')
        })
        return once(child, 'close')
      })
      // Waits without end where somebody hangs.
      for (const [code] of await Promise.all(writers)) assert.equal(code, 0)
      await first.kill()
      assert.match(errnoName(posix.access(mountpoint, 0)), /ENOTCONN/)

      const second = await place.serve(source, { passthrough, cache }, mountpoint)
      let checked = 0
      for (const [index, text] of output.entries()) {
        assert.match(text, /end \d+\n$/, `writer ${index} was told of the end`)
        for (const [, number, written] of text.matchAll(/^done (\d+) (\d+)$/gm)) {
          const content = readFileSync(second.path(`writer${index}-${number}`), 'utf8')
          const expected = `writer${index} ${number} `
            .repeat(1 + (Number(number) % 2000))
            .slice(0, Number(written))
          assert.ok(content === expected, `writer${index}-${number}: ${content.length} of ${written} bytes`)
          checked++
        }
      }
      assert.ok(checked > 400, `${checked} files`)
      t.diagnostic(`${checked} acknowledged files`)
      assert.ok(!existsSync(second.path('never made')))
      await second.unmount()
    })
