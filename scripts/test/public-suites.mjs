import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { removeLeftovers, VARIABLE } from './leftovers.mjs'
import { root } from './paths.mjs'

const program = fileURLToPath(new URL('./public-suite-main.mjs', import.meta.url))

/** Runs one of crates.io's suites on a mounted directory, or says why it cannot be run here. */
export async function runPublicSuite(suite) {
  const kit = await import(join(root, 'packages/test-kit/dist/suites/index.js'))
  const missing = kit.whyNoRust()
  if (missing !== undefined) {
    console.log(`not run: ${suite}, because ${missing}`)
    return { passed: 0, failed: 0, skipped: 1 }
  }
  const folder = mkdtempSync(join(tmpdir(), 'hawser-suites-'))
  const id = randomUUID()
  chmodSync(folder, 0o755)
  const started = performance.now()
  const totals = await run(suite, folder, id)
  for (const left of await removeLeftovers(id, folder)) {
    console.log(`FAIL  ${suite} left behind: ${left}`)
    totals.failed++
  }
  const { passed, failed } = totals
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${failed > 0 ? 'FAIL' : 'ok  '}  ${suite}: ${passed} passed, ${failed} failed (${seconds} s)`)
  return totals
}

/**
 * In a process and, as root, in a mount namespace of its own: namespaces that other tests make meanwhile would keep copies of
 * its mounts, and with them their servers.
 */
async function run(suite, folder, id) {
  const command = [process.execPath, program, suite, folder]
  if (process.getuid() === 0) command.unshift('unshare', '--mount', '--propagation', 'private')
  const child = spawn(command[0], command.slice(1), {
    env: { ...process.env, [VARIABLE]: id },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  let totals
  child.on('message', (message) => {
    totals = message
  })
  const [ended] = await once(child, 'exit')
  if (totals && ended === 0) return totals
  console.log(`FAIL  ${suite}: ended with ${ended}`)
  return { passed: totals?.passed ?? 0, failed: (totals?.failed ?? 0) + 1, skipped: totals?.skipped ?? 0 }
}
