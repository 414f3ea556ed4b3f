/**
 * The process that runs cases one by one, told which by conformance.ts. A target that hangs hangs this process only: the
 * parent, which never touches the target, replaces it.
 */
import assert from 'node:assert/strict'
import { realpathSync } from 'node:fs'
import { probeFilesystem, probeUsers } from './capabilities.js'
import type { Capability, CaseContext, ConformanceCase, Users } from './case.js'
import { constants as c } from './native.js'
import { Peer, type User } from './peer.js'
import { methods } from './peer-methods.js'
import type { Path } from './posix.js'
import * as posix from './posix.js'
import { suite } from './suite/index.js'
import { join, removeTree } from './tree.js'
import { answerParent } from './watched-child.js'

export interface WorkerStart {
  directory: string
  reference: string
  /** The name of the directory made in both. */
  base: string
  users: Users
  readOnly: boolean
  capabilities?: Capability[]
}

export interface WorkerReady {
  capabilities: Capability[]
  /** Why a capability is missing, where that is known. */
  missing: Partial<Record<Capability, string>>
}

let target = ''
let reference = ''
let options: WorkerStart
let capabilities = new Set<Capability>()
let count = 0
const peers = new Map<string, Promise<Peer>>()
/** Those that the case has asked for: the others have nothing open and nothing to be put back. */
const used = new Set<string>()

async function start(message: WorkerStart): Promise<WorkerReady> {
  options = message
  posix.umask(0o022)
  posix.chdir('/')
  reference = `${realpathSync(message.reference)}/${message.base}`
  target = message.readOnly
    ? realpathSync(message.directory)
    : `${realpathSync(message.directory)}/${message.base}`
  for (const directory of message.readOnly ? [reference] : [target, reference]) {
    const made = posix.mkdir(directory, 0o755)
    if (made < 0 && made !== -c.EEXIST) throw new Error(`cannot make ${directory} (errno ${-made})`)
  }
  const missing: Partial<Record<Capability, string>> = {}
  if (message.capabilities) capabilities = new Set(message.capabilities)
  else {
    capabilities = probeFilesystem(reference)
    const why = await probeUsers([target, reference], () => peer(message.users.other, 0))
    if (why === undefined) capabilities.add('users')
    else missing.users = why
  }
  if (message.readOnly) capabilities.add('read-only')
  else capabilities.delete('read-only')
  return { capabilities: [...capabilities], missing }
}

async function peer(user: User | undefined, index: number): Promise<Peer> {
  const key = `${user ? `${user.uid}:${user.gid}:${user.groups}` : 'self'}#${index}`
  used.add(key)
  const known = await peers.get(key)
  if (known?.alive) return known
  const started = Peer.start(user)
  peers.set(key, started)
  return started
}

function context(): CaseContext {
  const name = `c${count++}-${process.pid}`
  const directory = options.readOnly ? target : `${target}/${name}`
  const referenceDirectory = `${reference}/${name}`
  for (const path of options.readOnly ? [referenceDirectory] : [directory, referenceDirectory]) {
    const made = posix.mkdir(path, 0o755)
    if (made < 0) throw new Error(`cannot make a directory for the case: errno ${-made}`)
  }
  return {
    directory,
    reference: referenceDirectory,
    capabilities,
    users: options.users,
    path: ((name: Path) =>
      typeof name === 'string' ? `${directory}/${name}` : join(directory, name)) as CaseContext['path'],
    as: (user, index = 0) => peer(user, index),
    process: (index = 0) => peer(undefined, index),
    async compare(run) {
      const expected = await run(referenceDirectory)
      const actual = await run(directory)
      assert.deepStrictEqual(actual, expected, 'the target differs from the reference directory')
      return actual
    },
  }
}

async function clean({ directory, reference: plain }: CaseContext): Promise<string[]> {
  methods.closeBelow(target, reference)
  for (const key of used) {
    const peer = await peers.get(key)?.catch(() => undefined)
    if (peer?.alive) await peer.sys.closeBelow(target, reference).catch(() => peer.kill())
  }
  used.clear()
  removeTree(plain)
  return options.readOnly ? [] : removeTree(directory)
}

async function run(name: string): Promise<void> {
  const found = suite.get(name) as ConformanceCase
  const here = context()
  try {
    await found.run(here)
  } catch (error) {
    await clean(here)
    throw error
  }
  const left = await clean(here)
  if (left.length > 0)
    throw new Error(`the case passed, but its directory cannot be removed: ${left.slice(0, 5).join('; ')}`)
}

async function finish(): Promise<void> {
  for (const pending of peers.values()) await (await pending.catch(() => undefined))?.kill()
  if (!options.readOnly) removeTree(target)
  removeTree(reference)
}

methods.dieWithParent()
answerParent((message: { start?: WorkerStart; run?: string; finish?: true }) => {
  if (message.start) return start(message.start)
  return message.run !== undefined ? run(message.run) : finish()
})
