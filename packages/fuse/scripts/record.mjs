#!/usr/bin/env node
// Records the requests that this machine's kernel sends, and the replies that it took: as root, after `npm run build`,
//   node packages/fuse/scripts/record.mjs
// writes fixtures/recorded-<release>.jsonl. Each line is {mount, step} with {request, reply}, {notification} or {result}.
// Nothing is changed in what was recorded: pids, lock owners and times differ from one recording to the next.
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { constants, native, sys } from '../dist/native.js'
import { opcodeNames } from '../dist/protocol/index.js'
import { ClassicEngine } from '../dist/session/classic-engine.js'
import { Session } from '../dist/session/session.js'
import { recordFilesystem } from './record-filesystem.mjs'
import { mounts } from './record-steps.mjs'

const lines = []
let at = {}
const say = (line) => {
  lines.push(line)
  return line
}
const problems = []

// ---- the tee: requests as a session gets them, replies as an engine sends them --------------------------------------

const open = new Map()
function keepReply(message) {
  const line = open.get(message)
  if (!line || message.replyLength === 0) return
  open.delete(message)
  const bytes = Buffer.concat([
    message.outputBytes.subarray(0, message.replyLength),
    ...(message.gathered ?? []),
  ])
  bytes.writeUInt32LE(bytes.length, 0)
  line.reply = bytes.toString('hex')
}
const { handle } = Session.prototype
Session.prototype.handle = function (message, length) {
  const request = message.inputBytes.toString('hex', 0, length)
  open.set(message, say({ ...at, operation: opcodeNames[message.opcode], request }))
  handle.call(this, message, length)
  if (!message.detached) keepReply(message)
}
const { send } = ClassicEngine.prototype
ClassicEngine.prototype.send = function (message) {
  keepReply(message)
  send.call(this, message)
}
const views = new Map()
const { address, offload } = native
native.address = (view) => {
  const result = address(view)
  views.set(result, view)
  return result
}
native.offload = (pool, lane, id, number, ...args) => {
  if (number === sys.write) say({ ...at, notification: Buffer.from(views.get(args[1])).toString('hex') })
  return offload(pool, lane, id, number, ...args)
}

// ---- one mount ------------------------------------------------------------------------------------------------------

class Driver {
  constructor(mountPoint) {
    const script = fileURLToPath(new URL('record-driver.py', import.meta.url))
    this.process = spawn('python3', [script, mountPoint], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.answers = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]()
  }
  async run(python) {
    this.process.stdin.write(`${JSON.stringify(python)}\n`)
    const { value, done } = await this.answers.next()
    if (done) throw new Error(`the driver ended at ${at.step}: ${python}`)
    return JSON.parse(value)
  }
}

function cString(text) {
  const bytes = Buffer.from(`${text}\0`)
  views.set(address(bytes), bytes) // keeps it alive
  return address(bytes)
}

async function record({ name, steps, features, without = [], refuse64, attrTimeout, type = 'fuse' }) {
  at = { mount: name, step: 'mount' }
  const folder = mkdtempSync(join(tmpdir(), 'hawser-record-'))
  const mountPoint = mkdtempSync(join(tmpdir(), 'hawser-recorded-'))
  let source = 'hawser-record'
  if (type === 'fuseblk') {
    const image = join(folder, 'image')
    writeFileSync(image, '')
    truncateSync(image, 1 << 20)
    source = execFileSync('losetup', ['-f', '--show', image], { encoding: 'utf8' }).trim()
  }
  const fd = openSync('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK | constants.O_CLOEXEC)
  const options = `fd=${fd},rootmode=40000,user_id=0,group_id=0,allow_other${type === 'fuseblk' ? ',blksize=512' : ''}`
  let mounted = false
  try {
    const result = native.syscall(
      sys.mount,
      cString(source),
      cString(mountPoint),
      cString(type),
      0,
      cString(options),
    )
    if (result < 0) throw new Error(`mount ${type}: errno ${-result}`)
    mounted = true
    let slow
    const filesystem = recordFilesystem({ attrTimeout })
    for (const method of without) delete filesystem[method]
    filesystem.refuse64 = refuse64
    const session = new Session(filesystem, fd, {
      features: { maxWrite: 1 << 16, ...features },
      log: (level, message) => problems.push(`${name}, ${at.step}: ${level}: ${message}`),
    })
    await session.start()
    const driver = new Driver(mountPoint)
    for (const [step, action, { before, waits, during, go } = {}] of steps) {
      at = { mount: name, step }
      if (typeof action === 'function') {
        const value = await action(filesystem)
        if (value !== undefined) say({ ...at, result: { value } })
        continue
      }
      if (before) {
        at.step = `before ${step}`
        say({ ...at, result: await driver.run(before) })
        at = { mount: name, step }
      }
      if (waits) {
        slow = filesystem.nodes.get(1).entries.get(waits)
        slow.waits = true
      }
      const done = driver.run(action)
      if (during || go) {
        await new Promise((resolve) => setTimeout(resolve, 100))
        await (during ?? (() => filesystem.go()))(filesystem)
      }
      say({ ...at, result: await done })
      if (waits) slow.waits = false
      await new Promise((resolve) => setTimeout(resolve, 20)) // what the kernel sends on its own: FORGET, RELEASE
    }
    at = { mount: name, step: 'unmount' }
    const unmounted = await driver.run("call('umount2', m.encode(), 0)")
    mounted = unmounted.errno !== undefined
    if (mounted) throw new Error(`umount: errno ${unmounted.errno}`)
    driver.process.stdin.end()
    await session.closed
  } finally {
    if (mounted) native.syscall(sys.umount2, cString(mountPoint), constants.MNT_DETACH)
    closeSync(fd)
    if (type === 'fuseblk') execFileSync('losetup', ['-d', source])
    rmdirSync(mountPoint)
    rmSync(folder, { recursive: true })
  }
}

say({ origin: `recorded by packages/fuse/scripts/record.mjs from Linux ${release()}` })
for (const mount of mounts) await record(mount)
const version = /^\d+\.\d+/.exec(release())[0]
const output = fileURLToPath(new URL(`../fixtures/recorded-${version}.jsonl`, import.meta.url))
writeFileSync(output, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`)
const seen = new Set(lines.map((line) => line.operation).filter(Boolean))
console.log(`${output}: ${lines.length} lines, ${seen.size} operations`)
console.log(`not seen: ${opcodeNames.filter((name) => name && !seen.has(name)).join(' ')}`)
for (const problem of problems) console.log(`problem: ${problem}`)
for (const { mount, step, result } of lines)
  if (result?.errno !== undefined) console.log(`${mount}, ${step}: errno ${result.errno}`)
process.exit(problems.length ? 1 : 0)
