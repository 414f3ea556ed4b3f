/** The process in which stress.ts touches the target: it prepares, works or verifies. */
import { realpathSync } from 'node:fs'
import { constants as c, errnoName } from './native.js'
import * as posix from './posix.js'
import {
  describesItself,
  permanentFiles,
  readWhole,
  recordLength,
  type StressReport,
  type StressTask,
  sharedNames,
} from './stress/files.js'
import { Worker } from './stress/worker.js'
import { removeTree } from './tree.js'
import { answerParent } from './watched-child.js'

type Request =
  | { prepare: string; name: string }
  | { work: StressTask }
  | { verify: string; reports: StressReport[] }

// The parent never touches the target, which it may serve itself: even the real path is found here.
function prepare(parent: string, name: string): string {
  const directory = `${realpathSync(parent)}/${name}`
  const shared = `${directory}/shared`
  for (const path of [directory, shared]) {
    const made = posix.mkdir(path, 0o755)
    if (made < 0) throw new Error(`cannot make ${path}: ${errnoName(made)}`)
  }
  const files = Array.from({ length: permanentFiles }, (_, index) => [
    `permanent-${index}`,
    `content ${index}`,
  ])
  for (const [file, content] of [...files, ['log', ''], ['counter', '0'.padStart(16, '0')]]) {
    const fd = posix.open(`${shared}/${file}`, c.O_CREAT | c.O_EXCL | c.O_WRONLY, 0o644)
    if (fd < 0 || posix.write(fd, content) < 0 || posix.close(fd) < 0) throw new Error(`cannot make ${file}`)
  }
  return directory
}

/** What must hold when all processes have ended; removes everything. */
function verify(directory: string, reports: StressReport[]): string[] {
  const problems: string[] = []
  const shared = `${directory}/shared`
  const done = (name: string) => reports.reduce((sum, report) => sum + (report.counts[name] ?? 0), 0)
  const log = readWhole(`${shared}/log`)
  const records = typeof log === 'number' ? [] : log.toString('latin1').split('\n').slice(0, -1)
  if (records.length !== done('append'))
    problems.push(`the log has ${records.length} records of ${done('append')}`)
  if (records.some((record) => record.length !== recordLength - 1 || !/^\d+:0:[a-z]+$/.test(record))) {
    problems.push('the log has torn records')
  }
  const counter = readWhole(`${shared}/counter`)
  const counted = typeof counter === 'number' ? Number.NaN : Number(counter.toString())
  if (counted !== done('count under lock')) {
    problems.push(`the counter stands at ${counted} after ${done('count under lock')} increments`)
  }
  for (let index = 0; index < permanentFiles; index++) {
    const content = readWhole(`${shared}/permanent-${index}`)
    if (content.toString() !== `content ${index}`) problems.push(`permanent file ${index} has changed`)
  }
  const links = new Map<bigint, { names: number; nlink: number }>()
  for (let index = 0; index < sharedNames; index++) {
    const status = posix.lstat(`${shared}/s${index}`)
    if (typeof status === 'number') continue
    const content = readWhole(`${shared}/s${index}`)
    if (typeof content === 'number' || !describesItself(content))
      problems.push(`shared file s${index} is torn`)
    links.set(status.ino, { names: (links.get(status.ino)?.names ?? 0) + 1, nlink: status.nlink })
  }
  // rename of one link over another of the same file leaves both, so a writer's own name may be a further one.
  for (let index = 0; index < reports.length; index++) {
    const status = posix.lstat(`${shared}/new-${index}`)
    const known = typeof status === 'number' ? undefined : links.get(status.ino)
    if (known) known.names++
  }
  for (const { names, nlink } of links.values()) {
    if (names !== nlink) problems.push(`a shared file has ${names} names and says ${nlink}`)
  }
  problems.push(...removeTree(directory).slice(0, 10))
  return problems
}

posix.dieWithParent()
answerParent((message: Request) => {
  if ('prepare' in message) return prepare(message.prepare, message.name)
  return 'work' in message ? new Worker(message.work).run() : verify(message.verify, message.reports)
})
