import { readFileSync } from 'node:fs'
import { checked, errnoName, FilesystemError, FuseError } from '../errors.js'
import { constants, errno, native, sys } from '../native.js'
import { identify } from './identity.js'
import { cString } from './system.js'

const DEVICE = '/dev/fuse'
// Documentation/admin-guide/devices.txt: 10 = misc, 229 = fuse
const FUSE_MAJOR = 10
const FUSE_MINOR = 229
/** SCM_MAX_FD, unix(7): descriptors of one message. */
const DESCRIPTORS_MAX = 253

/**
 * Opens /dev/fuse, O_NONBLOCK and O_CLOEXEC.
 * @throws FuseError FUSE_DEVICE with what to do about it
 */
export function openFuse(): number {
  const path = cString(DEVICE)
  const flags = constants.O_RDWR | constants.O_NONBLOCK | constants.O_CLOEXEC
  const fd = native.syscall(sys.openat, constants.AT_FDCWD, native.address(path), flags, 0)
  if (fd >= 0) return fd
  throw new FuseError('FUSE_DEVICE', deviceMessage(-fd), { cause: new FilesystemError(-fd) })
}

function deviceMessage(error: number): string {
  switch (error) {
    case errno.ENOENT:
      return `${DEVICE} does not exist: load the kernel's fuse module, or pass the device to the container`
    case errno.EACCES:
    case errno.EPERM:
      return `${DEVICE} may not be opened by user ${process.geteuid?.()}: its usual mode is 0666, and a container must be given the device`
    case errno.ENXIO:
    case errno.ENODEV:
      return `${DEVICE} has no driver: the kernel lacks FUSE, or its module is not loaded`
    default:
      return `cannot open ${DEVICE}: ${errnoName(error)}`
  }
}

/**
 * Makes a descriptor that came from elsewhere ready to serve: checks that it is /dev/fuse, sets O_NONBLOCK and O_CLOEXEC
 * (a copy that leaks into a child would keep a dead mount's callers waiting).
 * @throws FuseError FUSE_DEVICE
 */
export async function adoptDescriptor(fd: number): Promise<void> {
  let fuse = false
  try {
    const { type, rdevMajor, rdevMinor } = await identify(fd)
    fuse = type === constants.S_IFCHR && rdevMajor === FUSE_MAJOR && rdevMinor === FUSE_MINOR
  } catch (cause) {
    throw new FuseError('FUSE_DEVICE', `descriptor ${fd} is not open`, { cause })
  }
  if (!fuse) throw new FuseError('FUSE_DEVICE', `descriptor ${fd} is not ${DEVICE}`)
  const flags = checked(native.syscall(sys.fcntl, fd, constants.F_GETFL, 0))
  checked(native.syscall(sys.fcntl, fd, constants.F_SETFL, flags | constants.O_NONBLOCK))
  checked(native.syscall(sys.fcntl, fd, constants.F_SETFD, constants.FD_CLOEXEC))
}

/** The connection that a /dev/fuse descriptor serves, where the kernel tells (fdinfo of newer kernels). */
export function connectionOfDescriptor(fd: number): number | undefined {
  const line = /^fuse_connection:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))
  return line ? Number(line[1]) : undefined
}

/**
 * A second descriptor of a mounted connection, with its own queue of requests being answered (FUSE_DEV_IOC_CLONE).
 * Closing it fails the requests that were read from it.
 * @throws FuseError FUSE_DEVICE where /dev/fuse cannot be opened or `fd` serves no mount
 */
export function cloneDevice(fd: number): number {
  const clone = openFuse()
  const argument = new Uint32Array([fd])
  const address = native.address(new Uint8Array(argument.buffer))
  const result = native.syscall(sys.ioctl, clone, constants.FUSE_DEV_IOC_CLONE, address)
  if (result >= 0) return clone
  native.syscall(sys.close, clone)
  throw new FuseError('FUSE_DEVICE', `cannot clone descriptor ${fd}: ${errnoName(-result)}`)
}

/** Resolves when `fd` has something to read or has been closed by its peer. */
function readable(fd: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const watch = native.watch(fd, () => finish(resolve))
    if (typeof watch === 'number') {
      throw new FuseError('FUSE_DEVICE', `cannot wait for descriptor ${fd}: ${errnoName(-watch)}`)
    }
    const finish = (settle: () => void) => {
      native.watchClose(watch)
      signal?.removeEventListener('abort', abort)
      settle()
    }
    const abort = () => finish(() => reject(signal?.reason))
    signal?.addEventListener('abort', abort)
  })
}

/**
 * Waits for one message on a Unix stream socket and takes the /dev/fuse descriptors it carries (SCM_RIGHTS), ready to
 * serve: O_NONBLOCK and O_CLOEXEC. The message has one byte of data, as fusermount3's. `socketFd` becomes non-blocking, must
 * not be in use by another reader, and stays open. One that is not /dev/fuse closes all of them.
 * `signal` ends the waiting with its reason.
 * @throws FuseError FUSE_DEVICE
 */
export async function receiveDevice(socketFd: number, signal?: AbortSignal): Promise<number[]> {
  for (;;) {
    await readable(socketFd, signal)
    const fds = takeDescriptors(socketFd)
    if (!fds) continue
    try {
      for (const fd of fds) await adoptDescriptor(fd)
    } catch (error) {
      for (const fd of fds) native.syscall(sys.close, fd)
      throw error
    }
    return fds
  }
}

/** Reads one message of a non-blocking socket; undefined where none is there yet. */
export function takeDescriptors(socketFd: number): number[] | undefined {
  const data = Buffer.alloc(1)
  const table = new Int32Array(DESCRIPTORS_MAX)
  const tableAddress = native.address(new Uint8Array(table.buffer))
  const [bytes, count] = native.receiveDescriptors(socketFd, native.address(data), data.length, tableAddress)
  if (bytes === -errno.EAGAIN) return undefined
  if (bytes < 0) throw new FuseError('FUSE_DEVICE', `cannot receive a descriptor: ${errnoName(-bytes)}`)
  if (bytes === 0) throw new FuseError('FUSE_DEVICE', 'the socket was closed before a descriptor came')
  if (count === 0) throw new FuseError('FUSE_DEVICE', 'the message on the socket carries no descriptor')
  return [...table.subarray(0, count)]
}

/**
 * Sends copies of descriptors over a Unix socket in one message; the caller keeps its own.
 * @throws FuseError FUSE_DEVICE, also where the socket's buffer is full
 */
export function sendDevice(socketFd: number, fds: readonly number[]): void {
  const data = Buffer.alloc(1)
  const table = Int32Array.from(fds)
  const tableAddress = native.address(new Uint8Array(table.buffer))
  const sent = native.sendDescriptors(socketFd, native.address(data), data.length, tableAddress, fds.length)
  if (sent < 0) throw new FuseError('FUSE_DEVICE', `cannot send a descriptor: ${errnoName(-sent)}`)
}

/** Two connected Unix stream sockets, close-on-exec. */
export function socketPair(): [number, number] {
  const pair = new Int32Array(2)
  const address = native.address(new Uint8Array(pair.buffer))
  checked(
    native.syscall(
      sys.socketpair,
      constants.AF_UNIX,
      constants.SOCK_STREAM | constants.SOCK_CLOEXEC,
      0,
      address,
    ),
  )
  return [pair[0], pair[1]]
}
