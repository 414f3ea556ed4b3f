import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { redact } from '../telemetry/log.js'
import { REPORT_DESCRIPTOR, type ServeRequest, type StartReport } from './request.js'

const program = fileURLToPath(new URL('./main.js', import.meta.url))

/**
 * Starts the background process in a session of its own and settles with what it reports: the mount answers,
 * or why it does not. `keepOutput`: it writes its log to our stderr.
 */
export function spawnDaemon(request: ServeRequest, keepOutput: boolean): Promise<StartReport> {
  // The arguments are only for those who look at ps; the request goes through the socket pair.
  const child = spawn(
    process.execPath,
    [...process.execArgv, program, redact(request.source), request.mountpoint],
    {
      detached: true,
      cwd: '/',
      stdio: ['ignore', 'ignore', keepOutput ? 'inherit' : 'ignore', 'pipe'],
    },
  )
  const channel = child.stdio[REPORT_DESCRIPTOR] as Socket
  return new Promise((resolve) => {
    let text = ''
    let signalled = false
    const finish = (report: StartReport) => {
      child.unref()
      channel.destroy()
      resolve(report)
    }
    child.once('error', (error) =>
      finish({ ok: false, message: `cannot start ${process.execPath}: ${error.message}` }),
    )
    channel.setEncoding('utf8')
    channel.on('error', () => undefined)
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
    // Ctrl-C while waiting: the process is in another session and would not notice.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => {
        signalled = true
        child.kill('SIGTERM')
      })
    }
    channel.write(`${JSON.stringify(request)}\n`)
  })
}
