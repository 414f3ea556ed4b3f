// From the exec of `hawser mount` to its exit, when the mount answers, in turns with `node -e 0`: the program is two
// processes of Node. Arguments: how often (default 9), another hawser program.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep } from './processes.js'
import { median } from './statistics.js'
import { repository } from './tools.js'

const [rounds = '9', program = join(repository, 'packages/hawser/bin/hawser.js')] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'hawser-startup-'))
const [source, mountpoint, pidFile] = ['source', 'mnt', 'pid'].map((name) => join(folder, name))
const node = process.execPath
// Of the machine's settings, none counts but Node's own.
const env: NodeJS.ProcessEnv = {
  HAWSER_RUNTIME_DIR: join(folder, 'run'),
  XDG_CONFIG_HOME: join(folder, 'config'),
}
for (const [name, value] of Object.entries(process.env)) {
  if (!name.startsWith('HAWSER_')) env[name] ??= value
}

/** Milliseconds until it has ended; starting it counts, and is the same for all. */
function time(...words: string[]): number {
  const begin = process.hrtime.bigint()
  const { status } = spawnSync(node, words, { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const end = process.hrtime.bigint()
  if (status !== 0) throw new Error(`node ${words.join(' ')}: status ${status}`)
  return Number(end - begin) / 1e6
}

async function mountOnce(): Promise<number> {
  const milliseconds = time(program, 'mount', source, mountpoint, '--pid-file', pidFile)
  const server = `/proc/${readFileSync(pidFile, 'utf8').trim()}`
  time(program, 'umount', mountpoint)
  while (existsSync(server)) await sleep(10)
  return milliseconds
}

// Ctrl-C ends the program that is being measured, and so this one by an error.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
mkdirSync(source)
mkdirSync(mountpoint)
const times = { 'node -e 0': [] as number[], 'hawser mount': [] as number[] }
try {
  // The first round fills the kernel's caches.
  for (let round = 0; round <= Number(rounds); round++) {
    times['node -e 0'][round] = time('-e', '0')
    times['hawser mount'][round] = await mountOnce()
  }
} finally {
  spawnSync(node, [program, 'umount', '--lazy', mountpoint], { env })
  rmSync(folder, { recursive: true, force: true })
}
const certificates = process.env.NODE_EXTRA_CA_CERTS ? ', which reads NODE_EXTRA_CA_CERTS' : ''
process.stdout.write(`Node ${process.version}${certificates}, ${rounds} rounds\n\n`)
process.stdout.write('| command      | median ms | best ms | × node -e 0 |\n')
process.stdout.write('| ------------ | --------- | ------- | ----------- |\n')
const unit = median(times['node -e 0'].slice(1))
for (const [name, all] of Object.entries(times)) {
  const values = all.slice(1)
  const cells = [
    median(values).toFixed(1).padEnd(9),
    Math.min(...values)
      .toFixed(1)
      .padEnd(7),
  ]
  process.stdout.write(
    `| ${name.padEnd(12)} | ${cells.join(' | ')} | ${(median(values) / unit).toFixed(2).padEnd(11)} |\n`,
  )
}
