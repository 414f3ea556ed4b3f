import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { redact } from '../telemetry/log.js'
import type { ServeRequest, StartCall, StartReport } from './request.js'

// The background process's descriptor towards us, as main.ts knows it.
const REPORT_DESCRIPTOR = 3
const program = join(import.meta.dirname, '../../bin/daemon.js')

let early: ChildProcess | undefined

/**
 * Starts the background process before it is known what it shall do, so that it loads while we read options. It
 * ends by itself if we end without a request. `words` are only for those who look at ps.
 */
export function launchEarly(words: readonly string[]): void {
  early = launch(words)
}

/** It was a wrong guess: that process ends. */
export function dismissEarly(): void {
  early?.stdio[REPORT_DESCRIPTOR]?.destroy()
  early = undefined
}

function launch(words: readonly string[]): ChildProcess {
  const env = { ...process.env }
  // Node reads these certificates when it starts, which takes longer than the rest of a mount. It opens no TLS connection.
  delete env.NODE_EXTRA_CA_CERTS
  const child = spawn(process.execPath, [...process.execArgv, program, ...words.map(redact)], {
    detached: true,
    cwd: '/',
    env,
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  })
  // Whoever waits for a report hears of it; nobody else needs to.
  child.on('error', () => undefined)
  child.stdio[REPORT_DESCRIPTOR]?.on('error', () => undefined)
  return child
}

/**
 * Mounts in a background process, in a session of its own, and settles with what it reports: the mount answers,
 * or why it does not. `keepOutput`: it goes on writing to our stderr.
 */
export function spawnDaemon(request: ServeRequest, keepOutput: boolean): Promise<StartReport> {
  const child = early ?? launch([request.source, request.mountpoint])
  early = undefined
  const channel = child.stdio[REPORT_DESCRIPTOR] as Socket
  return new Promise((resolve) => {
    let text = ''
    let signalled = false
    // Ctrl-C while waiting: the process is in another session and would not notice.
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
    const cancel = () => {
      signalled = true
      child.kill('SIGTERM')
    }
    const finish = (report: StartReport) => {
      for (const signal of signals) process.off(signal, cancel)
      child.unref()
      channel?.destroy()
      resolve(report)
    }
    const cannotStart = `cannot start ${process.execPath}`
    if (child.pid === undefined) return finish({ ok: false, message: cannotStart })
    channel.setEncoding('utf8')
    channel.on('data', (chunk: string) => {
      text += chunk
      if (text.endsWith('\n')) finish(JSON.parse(text))
    })
    // 'close' comes after the last of the channel, 'exit' may come before.
    child.once('close', (code, signal) => {
      if (text !== '') return
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`
      finish({
        ok: false,
        message: signalled ? 'interrupted' : `the background process ended early (${how})`,
      })
    })
    for (const signal of signals) process.once(signal, cancel)
    const call: StartCall = { request, keepOutput }
    channel.write(`${JSON.stringify(call)}\n`)
  })
}
