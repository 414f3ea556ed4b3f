/** One of the processes of stress.ts: mixed work in a tree of its own and in one that all share. */
import { pattern } from '../assertions.js'
import { random } from '../model/generator.js'
import { constants as c, errnoName } from '../native.js'
import { methods } from '../peer-methods.js'
import * as posix from '../posix.js'
import {
  describesItself,
  permanentFiles,
  readWhole,
  recordLength,
  type StressReport,
  type StressTask,
  selfDescribing,
  sharedNames,
} from './files.js'

export class Worker {
  #task: StressTask
  #next: () => number
  #own: string
  #shared: string
  // What the tree of its own must contain.
  #files = new Map<string, Buffer>()
  #directories: string[] = ['']
  #made = 0
  readonly report: StressReport = { counts: {}, problems: [] }

  constructor(task: StressTask) {
    this.#task = task
    this.#next = random(task.seed * 1000 + task.index)
    this.#own = `${task.directory}/own-${task.index}`
    this.#shared = `${task.directory}/shared`
  }

  run(): StressReport {
    this.#expect('mkdir', posix.mkdir(this.#own, 0o755))
    const work = [
      () => this.#createOwn(),
      () => this.#createOwn(),
      () => this.#overwriteOwn(),
      () => this.#verifyOwn(),
      () => this.#renameOwn(),
      () => this.#unlinkOwn(),
      () => this.#makeDirectory(),
      () => this.#listOwn(),
      () => this.#replaceShared(),
      () => this.#replaceShared(),
      () => this.#readShared(),
      () => this.#readShared(),
      () => this.#linkShared(),
      () => this.#removeShared(),
      () => this.#listShared(),
      () => this.#changeSharedDirectories(),
      () => this.#appendShared(),
      () => this.#countShared(),
    ]
    for (let i = 0; i < this.#task.operations && this.report.problems.length < 20; i++)
      work[this.#below(work.length)]()
    for (const [path, bytes] of this.#files) this.#verify(path, bytes)
    for (const directory of this.#directories) this.#listOwn(directory)
    return this.report
  }

  #below(limit: number): number {
    return Math.floor(this.#next() * limit)
  }

  #pick<T>(choices: T[]): T | undefined {
    return choices[this.#below(choices.length)]
  }

  #problem(text: string): void {
    this.report.problems.push(`process ${this.#task.index}: ${text}`)
  }

  // Counts the call; an errno that is not among the allowed is a problem.
  #expect(name: string, result: number, ...allowed: string[]): boolean {
    this.report.counts[name] = (this.report.counts[name] ?? 0) + 1
    if (result < 0 && !allowed.includes(errnoName(result))) this.#problem(`${name}: ${errnoName(result)}`)
    return result >= 0
  }

  #write(path: string, bytes: Buffer, flags: number): boolean {
    const fd = posix.open(path, c.O_WRONLY | flags, 0o644)
    if (!this.#expect('open for writing', fd)) return false
    for (let at = 0; at < bytes.length; ) {
      const written = posix.write(fd, bytes.subarray(at, at + 1 + this.#below(40_000)))
      if (!this.#expect('write', written)) break
      at += written
    }
    if (this.#below(20) === 0) this.#expect('fsync', posix.fsync(fd))
    return this.#expect('close', posix.close(fd))
  }

  #newName(): string {
    const parent = this.#pick(this.#directories)!
    return `${parent}${parent && '/'}${this.#made++}`
  }

  #ownFile(): [string, Buffer] | undefined {
    return this.#pick([...this.#files])
  }

  #createOwn(): void {
    const path = this.#newName()
    const bytes = selfDescribing(this.#below(this.#below(10) === 0 ? 300_000 : 9000), this.#below(1e6))
    if (this.#write(`${this.#own}/${path}`, bytes, c.O_CREAT | c.O_EXCL)) this.#files.set(path, bytes)
  }

  #overwriteOwn(): void {
    const [path, old] = this.#ownFile() ?? []
    if (path === undefined || old === undefined) return
    const bytes = Buffer.from(old)
    const at = this.#below(bytes.length)
    const patch = pattern(Math.min(5000, bytes.length - at), this.#below(1e6))
    patch.copy(bytes, at)
    const fd = posix.open(`${this.#own}/${path}`, c.O_RDWR)
    if (!this.#expect('open', fd)) return
    this.#expect('pwrite', posix.pwrite(fd, patch, at))
    posix.close(fd)
    this.#files.set(path, bytes)
  }

  #verifyOwn(): void {
    const file = this.#ownFile()
    if (file) this.#verify(...file)
  }

  #verify(path: string, bytes: Buffer): void {
    const found = readWhole(`${this.#own}/${path}`)
    if (!this.#expect('read', typeof found === 'number' ? found : 0)) return
    if (!bytes.equals(found as Buffer)) this.#problem(`own file ${path} does not hold what was written`)
  }

  #renameOwn(): void {
    const [path, bytes] = this.#ownFile() ?? []
    if (path === undefined || bytes === undefined) return
    const to = this.#newName()
    if (!this.#expect('rename', posix.rename(`${this.#own}/${path}`, `${this.#own}/${to}`))) return
    this.#files.delete(path)
    this.#files.set(to, bytes)
  }

  #unlinkOwn(): void {
    const path = this.#ownFile()?.[0]
    if (path === undefined || this.#files.size < 30) return
    if (this.#expect('unlink', posix.unlink(`${this.#own}/${path}`))) this.#files.delete(path)
    if (posix.lstat(`${this.#own}/${path}`) !== -c.ENOENT)
      this.#problem(`${path} is still there after unlink`)
  }

  #makeDirectory(): void {
    if (this.#directories.length > 40) return
    const path = this.#newName()
    if (this.#expect('mkdir', posix.mkdir(`${this.#own}/${path}`, 0o755))) this.#directories.push(path)
  }

  #listOwn(parent = this.#pick(this.#directories)!): void {
    const prefix = parent === '' ? '' : `${parent}/`
    const expected = [...this.#files.keys(), ...this.#directories]
      .filter((path) => path !== '' && path.startsWith(prefix) && !path.slice(prefix.length).includes('/'))
      .map((path) => path.slice(prefix.length))
      .sort()
    const found = posix.list(`${this.#own}/${parent}`)
    if (!this.#expect('list', typeof found === 'number' ? found : 0)) return
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      this.#problem(
        `own directory '${parent}' lists ${(found as string[]).length} names of ${expected.length}`,
      )
    }
  }

  #sharedName(): string {
    return `${this.#shared}/s${this.#below(sharedNames)}`
  }

  // Whole files only ever appear under the shared names, so whoever reads one finds it whole.
  #replaceShared(): void {
    const fresh = `${this.#shared}/new-${this.#task.index}`
    if (!this.#write(fresh, selfDescribing(this.#below(60_000), this.#below(1e6)), c.O_CREAT | c.O_TRUNC))
      return
    this.#expect('rename over', posix.rename(fresh, this.#sharedName()))
  }

  #readShared(): void {
    const path = this.#sharedName()
    const found = readWhole(path)
    if (!this.#expect('read shared', typeof found === 'number' ? found : 0, 'ENOENT')) return
    if (!describesItself(found as Buffer)) this.#problem(`shared file ${path} is torn`)
  }

  #linkShared(): void {
    this.#expect('link', posix.link(this.#sharedName(), this.#sharedName()), 'ENOENT', 'EEXIST')
  }

  #removeShared(): void {
    this.#expect('unlink shared', posix.unlink(this.#sharedName()), 'ENOENT')
  }

  #listShared(): void {
    const found = posix.list(this.#shared)
    if (!this.#expect('list shared', typeof found === 'number' ? found : 0)) return
    const names = found as string[]
    if (new Set(names).size !== names.length) this.#problem('a shared name is listed twice')
    const permanent = names.filter((name) => name.startsWith('permanent-')).length
    if (permanent !== permanentFiles)
      this.#problem(`${permanent} of ${permanentFiles} permanent files are listed`)
  }

  #changeSharedDirectories(): void {
    const path = `${this.#shared}/d${this.#below(4)}`
    switch (this.#below(4)) {
      case 0:
        this.#expect('mkdir shared', posix.mkdir(path, 0o755), 'EEXIST')
        break
      case 1:
        this.#expect('rmdir shared', posix.rmdir(path), 'ENOENT', 'ENOTEMPTY')
        break
      case 2:
        this.#expect(
          'rename directory',
          posix.rename(path, `${this.#shared}/d${this.#below(4)}`),
          'ENOENT',
          'ENOTEMPTY',
        )
        break
      default: {
        const inside = `${path}/f${this.#task.index}`
        const fd = posix.open(inside, c.O_CREAT | c.O_WRONLY, 0o644)
        if (this.#expect('create in shared', fd, 'ENOENT')) posix.close(fd)
        this.#expect('unlink in shared', posix.unlink(inside), 'ENOENT')
      }
    }
  }

  #appendShared(): void {
    const result = methods.appendRecords(`${this.#shared}/log`, this.#task.index, 1, recordLength)
    this.#expect('append', result)
  }

  #countShared(): void {
    this.#expect('count under lock', methods.incrementUnderLock(`${this.#shared}/counter`, 'posix', 1))
  }
}
