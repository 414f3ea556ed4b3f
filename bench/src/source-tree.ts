import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pinned } from './mounts.js'
import { run } from './processes.js'
import type { Measurement } from './rows.js'
import type { Sample } from './statistics.js'

export const treeFiles = 3000
export const treeParts = ['untar + git status + rm', 'untar', 'git status', 'rm -rf'] as const

const git = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'bench',
  GIT_AUTHOR_EMAIL: 'bench@localhost',
  GIT_COMMITTER_NAME: 'bench',
  GIT_COMMITTER_EMAIL: 'bench@localhost',
  GIT_AUTHOR_DATE: '2024-01-01T00:00:00Z',
  GIT_COMMITTER_DATE: '2024-01-01T00:00:00Z',
}

const environment = () => ({ ...process.env, ...git })

/** Unpacks the tree through the mount, lets git compare every file with its index, and removes it. */
export async function treeWorkload({ work, cpu, archive }: Measurement): Promise<Sample[]> {
  const tree = join(work, 'tree')
  const onCpu = pinned(cpu)
  const options = { timeoutMs: 300_000, env: environment() }
  const file = await archive()
  rmSync(tree, { recursive: true, force: true })
  const untar = await run([...onCpu, 'tar', '-xf', file, '-C', work], options)
  // The archive's index holds other inode numbers and times, so git reads and hashes every file.
  const status = await run([...onCpu, 'git', '-C', tree, 'status', '--porcelain'], options)
  if (status.stdout !== '') throw new Error(`git status sees changes: ${status.stdout.slice(0, 300)}`)
  const remove = await run([...onCpu, 'rm', '-rf', tree], options)
  if (existsSync(tree)) throw new Error('the tree is still there after rm -rf')
  const parts = [untar.milliseconds, status.milliseconds, remove.milliseconds]
  return [parts.reduce((sum, part) => sum + part), ...parts].map(sampleOf)
}

function sampleOf(milliseconds: number): Sample {
  const opsPerSecond = treeFiles / (milliseconds / 1000)
  // Programs are measured here, not calls: there is no distribution of latencies.
  const none = Number.NaN
  return {
    ops: treeFiles,
    bytes: 0,
    milliseconds,
    opsPerSecond,
    bytesPerSecond: 0,
    p50: none,
    p99: none,
    max: none,
  }
}

/** Makes the archive once: a repository with one commit, packed, with sizes as in real sources. */
export async function sourceTree(archive: string, scratch: string): Promise<string> {
  if (existsSync(archive)) return archive
  const root = join(scratch, 'tree')
  rmSync(root, { recursive: true, force: true })
  const random = generator(20240101)
  const folders = ['']
  for (let i = 0; i < 240; i++) {
    const parent = folders[Math.floor(random() * folders.length)]
    // Depth as in a monorepo: nothing deeper than six.
    folders.push(parent.split('/').length > 6 ? `lib-${i}` : join(parent, `module-${i}`))
  }
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true })
  for (let i = 0; i < treeFiles; i++) {
    const folder = folders[Math.floor(random() * folders.length)]
    writeFileSync(join(root, folder, `source-file-${i}.ts`), content(random, sizeOf(random)))
  }
  const options = { cwd: root, env: environment(), timeoutMs: 300_000 }
  await run(['git', 'init', '-q', '-b', 'main'], options)
  await run(['git', 'add', '-A'], options)
  await run(['git', '-c', 'commit.gpgsign=false', 'commit', '-q', '-m', 'tree'], options)
  await run(['git', 'repack', '-a', '-d', '-q'], options)
  mkdirSync(dirname(archive), { recursive: true })
  const fresh = `${archive}.${process.pid}`
  await run(['tar', '-cf', fresh, '-C', scratch, 'tree'], options)
  renameSync(fresh, archive)
  rmSync(root, { recursive: true, force: true })
  return archive
}

/** Log-normal: half of the files below 4 KiB, a few of hundreds. */
function sizeOf(random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return Math.min(Math.round(Math.exp(8.2 + 1.3 * normal)), 400_000)
}

const words = 'const return function import export await async value index result error buffer length'.split(
  ' ',
)

function content(random: () => number, size: number): string {
  let text = ''
  while (text.length < size) {
    const line = Array.from(
      { length: 3 + Math.floor(random() * 8) },
      () => words[Math.floor(random() * words.length)],
    )
    text += `${line.join(' ')} ${Math.floor(random() * 1e6)}\n`
  }
  return text.slice(0, size)
}

/** The same numbers on every machine. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
