import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ControlClient } from '../daemon/control-client.js'
import type { FoundEntry } from '../daemon/registry.js'
import { reportInterval } from '../telemetry/report.js'
import { sumTree, writeProject } from './demo/tree.js'
import type { WorkerMessage } from './demo/worker.js'
import { mountPrivately } from './private-mount.js'
import { formatBytes, formatCount, formatNanoseconds, formatTable } from './text.js'
import { exitCodes, Failure, type Verb } from './verb.js'

const ANSWER_MILLISECONDS = 20_000

export const verb: Verb = {
  name: 'demo',
  usage: '',
  summary: 'Mount a generated folder, work on it and measure',
  arguments: [],
  options: [],
  details:
    () => `Generates a project in a temporary folder, mounts it by a background process as hawser mount does, works on it
(checksums, hard links, rename, a program run from it, git, tar, thousands of small files), compares with the
folder itself, prints what it measured, and removes everything, also after Ctrl-C.
`,
  async run() {
    const demo = new Demo()
    let interrupted = false
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        interrupted = true
        demo.interrupt()
      })
    }
    try {
      await demo.run()
    } catch (error) {
      throw interrupted ? new Failure('interrupted; everything is cleaned up', 130) : error
    } finally {
      await demo.cleanUp()
    }
    return exitCodes.ok
  },
}

const print = (text: string) => process.stdout.write(`${text}\n`)

class Demo {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hawser-demo-'))
  #entry: FoundEntry | undefined
  #worker: ChildProcess | undefined
  #interrupted = false

  #path(name: string): string {
    return join(this.#folder, name)
  }

  async run(): Promise<void> {
    const [source, mountpoint, native] = ['source', 'mnt', 'native'].map((name) => this.#path(name))
    for (const path of [source, mountpoint, native]) mkdirSync(path)
    const files = writeProject(source)
    print(`A project of ${files} files in ${source}`)
    await this.#mount(mountpoint)
    await this.#work([mountpoint, source, native])
    await this.#finish(source)
  }

  async #mount(mountpoint: string): Promise<void> {
    const { entry, milliseconds } = await mountPrivately(this.#folder, 'warn').catch((error: Error) => {
      throw new Failure(`${error.message}; run hawser doctor for what is missing`)
    })
    this.#entry = entry
    if (this.#interrupted) throw new Error('interrupted')
    const how = process.geteuid!() === 0 ? 'as root' : 'without root, by fusermount3'
    print(
      `mounted on ${mountpoint} ${how} in ${milliseconds.toFixed(0)} ms, engine ${entry.engine}, process ${entry.pid}\n`,
    )
  }

  /** Runs the work in a child and prints its table. */
  async #work(folders: readonly string[]): Promise<void> {
    const program = fileURLToPath(new URL('./demo/worker.js', import.meta.url))
    const child = spawn(process.execPath, [program, ...folders], {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#worker = child
    const rows: string[][] = []
    let end: WorkerMessage | undefined
    for await (const line of createInterface({ input: child.stdout })) {
      const message = JSON.parse(line) as WorkerMessage
      if (message.kind === 'proof') print(`  ok  ${message.name}: ${message.finding}`)
      else if (message.kind === 'measure') rows.push(toRow(message))
      else if (message.kind === 'skipped') rows.push([message.name, '', '', message.why])
      else end = message
    }
    if (this.#interrupted) throw new Error('interrupted')
    if (end?.kind === 'failed') throw new Failure(`${end.name}: ${end.why}`)
    if (end === undefined) throw new Failure("the demo's worker ended early")
    const table = formatTable(['MEASURED', 'HAWSER', 'NATIVE', 'RATIO'], rows, [
      'left',
      'right',
      'right',
      'right',
    ])
    print(`\n${table}`)
  }

  /** Says what the server did, unmounts and compares what is left with what was there. */
  async #finish(source: string): Promise<void> {
    const { mountpoint, socket } = this.#entry!
    const client = await ControlClient.open(socket)
    const now = await client.ask({ verb: 'statistics' }, ANSWER_MILLISECONDS)
    const { total } = reportInterval({
      now: now.statistics,
      seconds: now.uptime,
      bounds: now.boundsNanoseconds,
      passthrough: now.passthrough,
    })
    const latency = [total.p50Nanoseconds, total.p99Nanoseconds].map((time) => formatNanoseconds(time ?? 0))
    print(
      `The server answered ${formatCount(total.count)} requests: p50 ${latency[0]}, p99 ${latency[1]}; ` +
        `${formatBytes(now.memory.residentBytes)} resident, ${now.cpuSeconds.toFixed(1)} s of CPU.`,
    )
    const before = sumTree(mountpoint)
    const { detached } = await client.ask({ verb: 'unmount', mode: 'clean' }, ANSWER_MILLISECONDS)
    if (!detached) {
      await client.closed
      this.#entry = undefined
    }
    const after = sumTree(source)
    if (before.hash !== after.hash)
      throw new Failure('the folder differs from what the mount showed before it ended')
    print(`Unmounted. ${formatCount(after.files)} files lie in the folder, just as the mount showed them.`)
  }

  interrupt(): void {
    this.#interrupted = true
    this.#worker?.kill('SIGKILL')
  }

  /** Never waits for the mount: it may be what hangs. */
  async cleanUp(): Promise<void> {
    this.#worker?.kill('SIGKILL')
    try {
      if (this.#entry !== undefined) await unmountByForce(this.#entry)
    } finally {
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }
}

async function unmountByForce({ socket, mountpoint, pid }: FoundEntry): Promise<void> {
  try {
    const client = await ControlClient.open(socket)
    await client.ask({ verb: 'unmount', mode: 'force' }, ANSWER_MILLISECONDS)
    await Promise.race([client.closed, new Promise((resolve) => setTimeout(resolve, 2000))])
    client.close()
  } catch {
    const { findMount, unmountAt } = await import('@hawser/fuse')
    if (findMount(mountpoint) === undefined) return // it ended while it was asked
    await unmountAt(mountpoint, 'force').catch((error: Error) => {
      throw new Failure(`cannot clean up: ${error.message}; process ${pid} serves ${mountpoint}`)
    })
  }
}

function toRow({ name, unit, mounted, native }: Extract<WorkerMessage, { kind: 'measure' }>): string[] {
  const show = (value: number) => (unit === 's' ? `${value.toFixed(2)} s` : `${formatCount(value)} ${unit}`)
  const cells = [
    name,
    show(mounted),
    show(native),
    `${(unit === 's' ? native / mounted : mounted / native).toFixed(2)}×`,
  ]
  // One by one is also a latency.
  if (unit === 'ops/s')
    cells[0] = `${name} (${formatNanoseconds(1e9 / mounted)} beside ${formatNanoseconds(1e9 / native)})`
  return cells
}
