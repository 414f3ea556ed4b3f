// The background process: `hawser mount` starts it, sends it a StartCall and waits for its StartReport.
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import type { StartCall, StartReport } from './request.js'
import { serve } from './serve.js'

const REPORT_DESCRIPTOR = 3

/** One line; undefined when the parent has ended without asking for anything. */
function readCall(): StartCall | undefined {
  const chunks: Buffer[] = []
  for (;;) {
    const chunk = Buffer.allocUnsafe(65_536)
    const length = readSync(REPORT_DESCRIPTOR, chunk)
    if (length === 0) return undefined
    chunks.push(chunk.subarray(0, length))
    if (chunk[length - 1] === 0x0a) return JSON.parse(Buffer.concat(chunks).toString())
  }
}

function report(message: StartReport): void {
  writeSync(REPORT_DESCRIPTOR, `${JSON.stringify(message)}\n`)
  closeSync(REPORT_DESCRIPTOR)
}

/** Whoever waits for the end of the parent's stderr must not wait for the mount. */
function letOutputGo(): void {
  closeSync(2)
  openSync('/dev/null', 'r+') // takes the lowest free number: 2
}

async function main(): Promise<never> {
  let reported = false
  try {
    const call = readCall()
    if (call === undefined) process.exit(1)
    if (!call.keepOutput) letOutputGo()
    await serve(call.request, {
      needsRegistry: true,
      ready() {
        // EPIPE when the parent was killed: then nobody knows of this mount, and it is taken back.
        report({ ok: true, pid: process.pid })
        reported = true
      },
    })
    process.exit(0)
  } catch (error) {
    if (!reported) {
      const {
        code,
        stack,
        message = String(error),
      } = error as { code?: unknown; stack?: string; message?: string }
      try {
        report({ ok: false, message, code: typeof code === 'string' ? code : undefined, stack })
      } catch {
        // The parent has gone: nobody to tell.
      }
    }
    process.exit(1)
  }
}

void main()
