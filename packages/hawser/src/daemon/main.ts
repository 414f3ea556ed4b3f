// The background process: `hawser mount` starts it, sends it a ServeRequest and waits for its StartReport.
import { closeSync, readSync, writeSync } from 'node:fs'
import { errorMessage } from '../telemetry/log.js'
import { REPORT_DESCRIPTOR, type ServeRequest, type StartReport } from './request.js'
import { serve } from './serve.js'

/** One line; undefined when the parent has ended before it said anything. */
function readRequest(): ServeRequest | undefined {
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

const request = readRequest()
if (request === undefined) process.exit(1)
let reported = false
try {
  await serve(request, {
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
    const { code, stack } = error as { code?: unknown; stack?: string }
    try {
      report({
        ok: false,
        message: errorMessage(error),
        code: typeof code === 'string' ? code : undefined,
        stack,
      })
    } catch {
      // The parent has gone: nobody to tell.
    }
  }
  process.exit(1)
}
