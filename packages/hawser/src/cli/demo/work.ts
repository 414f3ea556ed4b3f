// The work of the demo: what it measures on two directories, and what it proves about the mounted one.
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { findProgram } from '../doctor/system.js'
import { run } from './run.js'
import { randomBytes, sumTree, writeProject } from './tree.js'

const SMALL_FILES = 2000
const STATS = 20_000
const BIG = 64 * 1024 * 1024
const CHUNK = 1024 * 1024

export interface Measure {
  name: string
  unit: 'files/s' | 'ops/s' | 'MB/s' | 's'
  /** Undefined: a program it needs is missing. */
  run?: (folder: string) => number
  missing?: string
}

function seconds(work: () => void): number {
  const start = performance.now()
  work()
  return (performance.now() - start) / 1000
}

const smallFile = (number: number) => `small/${number % 20}/file-${number}`

function smallFiles(folder: string, each: (path: string, number: number) => void): number {
  const elapsed = seconds(() => {
    for (let number = 0; number < SMALL_FILES; number++) each(join(folder, smallFile(number)), number)
  })
  return SMALL_FILES / elapsed
}

/** In this order: later ones use what earlier ones leave. Each answers its figure, per second or in seconds. */
export function measures(): Measure[] {
  const git = findProgram('git')
  const tar = findProgram('tar')
  const data = randomBytes(4096, 7)
  const chunk = randomBytes(CHUNK, 11)
  return [
    {
      name: `create ${SMALL_FILES} small files`,
      unit: 'files/s',
      run(folder) {
        for (let number = 0; number < 20; number++)
          mkdirSync(join(folder, `small/${number}`), { recursive: true })
        return smallFiles(folder, (path, number) =>
          writeFileSync(path, data.subarray(0, 100 + (number % 3900))),
        )
      },
    },
    { name: 'read them', unit: 'files/s', run: (folder) => smallFiles(folder, (path) => readFileSync(path)) },
    {
      name: 'stat, one file',
      unit: 'ops/s',
      run(folder) {
        const path = join(folder, smallFile(1))
        const elapsed = seconds(() => {
          for (let count = 0; count < STATS; count++) statSync(path)
        })
        return STATS / elapsed
      },
    },
    {
      name: 'rename them',
      unit: 'files/s',
      run: (folder) => smallFiles(folder, (path) => renameSync(path, `${path}.new`)),
    },
    {
      name: 'unlink them',
      unit: 'files/s',
      run: (folder) => smallFiles(folder, (path) => unlinkSync(`${path}.new`)),
    },
    {
      name: `write ${BIG / 2 ** 20} MiB and fsync`,
      unit: 'MB/s',
      run(folder) {
        const elapsed = seconds(() => {
          const fd = openSync(join(folder, 'big'), 'w')
          for (let at = 0; at < BIG; at += CHUNK) writeSync(fd, chunk)
          fsyncSync(fd)
          closeSync(fd)
        })
        return BIG / 1e6 / elapsed
      },
    },
    {
      name: 'read it',
      unit: 'MB/s',
      run(folder) {
        const buffer = Buffer.allocUnsafe(CHUNK)
        const elapsed = seconds(() => {
          const fd = openSync(join(folder, 'big'), 'r')
          while (readSync(fd, buffer) > 0);
          closeSync(fd)
        })
        return BIG / 1e6 / elapsed
      },
    },
    {
      name: 'git init, add, commit, status',
      unit: 's',
      missing: git === undefined ? 'git is not installed' : undefined,
      run(folder) {
        writeProject(join(folder, 'project'))
        return seconds(() => commit(join(folder, 'project')))
      },
    },
    {
      name: 'tar and untar the project',
      unit: 's',
      missing: tar === undefined ? 'tar is not installed' : undefined,
      run(folder) {
        const archive = join(folder, 'project.tar')
        const copy = join(folder, 'copy')
        mkdirSync(join(folder, 'project'), { recursive: true })
        mkdirSync(copy)
        return seconds(() => {
          run('tar', ['-cf', archive, '-C', join(folder, 'project'), '.'], folder)
          run('tar', ['-xf', archive, '-C', copy], folder)
        })
      },
    },
  ]
}

function commit(folder: string): void {
  run('git', ['init', '-q'], folder)
  run('git', ['add', '.'], folder)
  run('git', ['commit', '-q', '-m', 'All of it'], folder)
  const changes = run('git', ['status', '--porcelain'], folder)
  if (changes !== '') throw new Error(`git status sees changes right after the commit: ${changes}`)
}

export interface Proof {
  name: string
  /** Throws where the mount does not behave. Answers what it saw, or why it could not look. */
  run(mounted: string, behind: string): string
}

function same(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)}, expected ${String(expected)}`)
}

const sha = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

/** What is true of a directory must be true of the mount; `behind` is the same directory without the mount. */
export const proofs: readonly Proof[] = [
  {
    name: 'the tree reads the same through the mount',
    run(mounted, behind) {
      const [through, direct] = [sumTree(mounted), sumTree(behind)]
      same('checksum', through.hash, direct.hash)
      return `${through.files} files, ${(through.bytes / 1e6).toFixed(1)} MB, sha256 ${through.hash.slice(0, 12)}…`
    },
  },
  {
    name: 'hard links are one file',
    run(mounted, behind) {
      const [a, b] = [join(mounted, 'link-a'), join(mounted, 'link-b')]
      writeFileSync(a, 'one')
      linkSync(a, b)
      appendFileSync(b, ' file')
      same('text through the other name', readFileSync(a, 'utf8'), 'one file')
      same('inode', statSync(a, { bigint: true }).ino, statSync(b, { bigint: true }).ino)
      same('links', statSync(a).nlink, 2)
      unlinkSync(a)
      same('links after unlink', statSync(b).nlink, 1)
      same('text behind the mount', readFileSync(join(behind, 'link-b'), 'utf8'), 'one file')
      return 'same inode, 2 links'
    },
  },
  {
    name: 'rename replaces in one step',
    run(mounted) {
      const [from, to] = [join(mounted, 'from'), join(mounted, 'to')]
      writeFileSync(from, 'new')
      writeFileSync(to, 'old')
      const open = openSync(to, 'r')
      renameSync(from, to)
      same('text of the name', readFileSync(to, 'utf8'), 'new')
      const text = Buffer.alloc(3)
      readSync(open, text, 0, 3, 0)
      closeSync(open)
      same('text of the file that was replaced, still open', text.toString(), 'old')
      return 'the old file stays readable for who has it open'
    },
  },
  {
    name: 'symbolic links, truncate and holes',
    run(mounted) {
      symlinkSync('to', join(mounted, 'pointer'))
      same('text through the link', readFileSync(join(mounted, 'pointer'), 'utf8'), 'new')
      truncateSync(join(mounted, 'to'), 1_000_000)
      const status = statSync(join(mounted, 'to'))
      same('size', status.size, 1_000_000)
      same(
        'bytes after the old end',
        readFileSync(join(mounted, 'to'))
          .subarray(3)
          .every((byte) => byte === 0),
        true,
      )
      return `1 MB long, ${status.blocks * 512} bytes on disk`
    },
  },
  {
    name: 'a program runs from the mount (mmap)',
    run(mounted) {
      const found = findProgram('sha256sum')
      if (found === undefined) return 'not tried: sha256sum is not installed'
      const program = join(mounted, 'sha256sum')
      copyFileSync(realpathSync(found), program)
      // The kernel maps the program's pages from the mount, and the program reads the file there.
      const output = run(program, [join(mounted, 'to')], mounted, 'sha256sum')
      same('checksum by the program', output.split(' ')[0], sha(join(mounted, 'to')))
      return 'copied, executed, its answer is right'
    },
  },
  {
    name: 'a directory of 5000 files lists completely',
    run(mounted) {
      const folder = join(mounted, 'many')
      mkdirSync(folder)
      for (let number = 0; number < 5000; number++) closeSync(openSync(join(folder, `n-${number}`), 'wx'))
      same('names', new Set(readdirSync(folder)).size, 5000)
      rmSync(folder, { recursive: true })
      return '5000 names, each once'
    },
  },
]
