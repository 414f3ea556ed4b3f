// A server in a process of its own. Argument: ChildOptions as JSON. Prints {"how", "connection"} when it serves; then each
// line of its input is a mode to unmount with, answered by {} or {"code", "message"}. It exits when its input ends.
import { createInterface } from 'node:readline'
import type { FuseError } from '../errors.js'
import { native, sys } from '../native.js'
import { type DeviceOptions, openDevice, type UnmountMode } from './index.js'
import { type ServerOptions, serve } from './server.test.support.js'

export interface ChildOptions extends DeviceOptions {
  server?: ServerOptions
  /** Never answers, not even INIT. */
  hang?: boolean
  /** Makes a system call fail with this errno. */
  deny?: { call: 'fsopen' | 'fsmount'; errno: number }
}

/** A seccomp filter (linux/filter.h) for this thread and those it starts. */
function deny({ call, errno }: NonNullable<ChildOptions['deny']>): void {
  const program = Buffer.alloc(4 * 8)
  const put = (index: number, code: number, whenTrue: number, whenFalse: number, k: number) => {
    program.writeUInt16LE(code, index * 8)
    program.writeUInt8(whenTrue, index * 8 + 2)
    program.writeUInt8(whenFalse, index * 8 + 3)
    program.writeUInt32LE(k, index * 8 + 4)
  }
  put(0, 0x20, 0, 0, 0) // load seccomp_data.nr
  put(1, 0x15, 0, 1, sys[call]) // equal?
  put(2, 0x06, 0, 0, 0x00050000 + errno) // SECCOMP_RET_ERRNO
  put(3, 0x06, 0, 0, 0x7fff0000) // SECCOMP_RET_ALLOW
  const filter = new BigUint64Array([4n, BigInt(native.address(program))])
  const [PR_SET_SECCOMP, SECCOMP_MODE_FILTER] = [22, 2]
  const address = native.address(new Uint8Array(filter.buffer))
  const result = native.syscall(sys.prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, address)
  if (result < 0) throw new Error(`cannot filter ${call}: errno ${-result}`)
}

const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`)
const failure = (error: unknown) => ({
  code: (error as FuseError).code,
  message: (error as Error).message,
})

const options: ChildOptions = JSON.parse(process.argv[2])
try {
  if (options.deny) deny(options.deny)
  const device = await openDevice(options)
  if (!options.hang) {
    await serve(device.fd, options.server).ready
    await device.attach()
  }
  say({ how: device.how, connection: device.connection() })
  for await (const line of createInterface({ input: process.stdin })) {
    await device.unmount(line as UnmountMode).then(
      () => say({}),
      (error) => say(failure(error)),
    )
  }
} catch (error) {
  say(failure(error))
}
process.exit()
