// What other processes change beneath a mount, told by fanotify(7): whatever the kernel keeps of it is dropped at once.
import { constants as c, errno, FilesystemError, type Host, type Notifier, native, sys } from '@hawser/fuse'
import { FanotifyEvents } from './fanotify-events.js'
import type { HandleIndex } from './handle-index.js'
import type { PassthroughNodes } from './node-table.js'
import type { SourceRoot } from './source-root.js'

type Watch = Exclude<ReturnType<typeof native.watch>, number>

// linux/fanotify.h
const FAN_CLOEXEC = 1
const FAN_NONBLOCK = 2
const FAN_REPORT_FID = 0x200
const FAN_REPORT_DFID_NAME = 0xc00
const FAN_REPORT_TARGET_FID = 0x1000
const FAN_MARK_ADD = 1
const FAN_MARK_FILESYSTEM = 0x100
const Event = {
  MODIFY: 2,
  ATTRIB: 4,
  CLOSE_WRITE: 8,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  MOVE_SELF: 0x800,
  Q_OVERFLOW: 0x4000,
  ONDIR: 0x40000000,
} as const

const NAMES = Event.CREATE | Event.DELETE | Event.MOVED_FROM | Event.MOVED_TO
// What is written through a mapping is told when the file is closed.
const DATA = Event.MODIFY | Event.CLOSE_WRITE

/** Milliseconds between two looks at what has happened: equal events become one meanwhile, and our own cost less. */
const PAUSE = 1
/** Nodes between two waits for the kernel, when all are to be dropped. */
const CHUNK = 4096

/** Watches the file system of a source, all of it: the rest of it costs a look into a hash table, and is not told to anybody. */
export class ChangeWatcher {
  readonly #fd: number
  readonly #nodes: PassthroughNodes
  readonly #index: HandleIndex
  readonly #events: FanotifyEvents
  readonly #pid = process.pid
  /** Nodes that the events at hand are about, and whether their pages (and listings) are to go too. */
  readonly #changed = new Map<number, boolean>()
  #watch: Watch | undefined
  #overflowed = false
  #closed = false
  #invalidations = 0

  /** Starts to collect changes. Throws a FilesystemError that says why they cannot be watched. */
  constructor(root: SourceRoot, nodes: PassthroughNodes) {
    this.#nodes = nodes
    this.#index = nodes.indexHandles()
    if (!root.handleNames) throw refusal(errno.EOPNOTSUPP)
    this.#fd = open(root.fd)
    this.#events = new FanotifyEvents(this.#fd)
  }

  /** What the kernel was told of changes beneath. */
  get invalidations(): number {
    return this.#invalidations
  }

  /** Begins to tell. */
  start(host: Host): void {
    const watch = native.watch(this.#fd, () => {
      this.#work(watch as Watch, host).catch((error) => this.#broken(host, error))
    })
    if (typeof watch === 'number') throw new FilesystemError(-watch, 'changes beneath cannot be watched')
    this.#watch = watch
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#watch) native.watchClose(this.#watch)
    native.syscall(sys.close, this.#fd)
  }

  async #work(watch: Watch, host: Host): Promise<void> {
    native.watchPause(watch)
    const events = this.#events
    const { notifier } = host
    const result = events.read()
    while (events.next()) this.#take(notifier)
    for (const [node, whole] of this.#changed) this.#drop(notifier, node, whole)
    this.#changed.clear()
    if (result < 0 && result !== -errno.EAGAIN && result !== -errno.EINTR) {
      return this.#broken(host, new FilesystemError(-result))
    }
    if (this.#overflowed) await this.#dropAll(host)
    // Neither are notifications piled up, nor is the kernel asked for each event by itself.
    await notifier.flush()
    if (!events.full) await pause()
    if (!this.#closed) native.watchResume(watch)
  }

  #broken(host: Host, { message }: Error): void {
    host.log('error', `changes beneath are not seen any more: ${message}`)
  }

  #take(notifier: Notifier): void {
    const events = this.#events
    if (events.mask & Event.Q_OVERFLOW) this.#overflowed = true
    if (events.pid === this.#pid) return
    events.locate()
    const directory = this.#node(events.directory)
    if (events.mask & NAMES && directory !== 0) {
      notifier.invalidateEntry(directory, events.bytes.subarray(events.nameStart, events.nameEnd))
      this.#invalidations++
      this.#changed.set(directory, true)
    }
    const file = events.file !== 0 ? this.#node(events.file) : events.ofDirectory ? directory : 0
    if (file !== 0) this.#changed.set(file, (events.mask & DATA) !== 0 || this.#changed.get(file) === true)
  }

  #node(handle: number): number {
    if (handle === 0) return 0
    const events = this.#events
    return this.#index.find(
      events.bytes,
      events.handleStart(handle),
      events.handleLength(handle),
      events.handleType(handle),
    )
  }

  #drop(notifier: Notifier, node: number, whole: boolean): void {
    if (whole) notifier.invalidateInode(node)
    else notifier.invalidateAttributes(node)
    this.#invalidations++
  }

  /** Events were lost: anything may have changed. */
  async #dropAll(host: Host): Promise<void> {
    const { notifier } = host
    const nodes = this.#nodes
    this.#overflowed = false
    host.log('warn', 'more changed beneath than could be followed: everything cached is dropped')
    notifier.incrementEpoch()
    for (let node = 1, { end } = nodes; node < end; node++) {
      if (nodes.get(node) === undefined) continue
      this.#drop(notifier, node, true)
      // Kernels before 6.16 have no epochs.
      if (node > 1 && !nodes.isUnnamed(node)) notifier.expireEntry(nodes.parent(node), nodes.name(node))
      if (node % CHUNK === 0) await notifier.flush()
      if (this.#closed) return
    }
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, PAUSE).unref()
  })
}

/** A descriptor that tells of every change in the file system of a directory. */
function open(directory: number): number {
  const flags = FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_FID | FAN_REPORT_DFID_NAME
  let mask = NAMES | DATA | Event.ATTRIB | Event.ONDIR
  // With it, events on names tell the file too, and fewer are left after merging (Linux 5.17).
  let fd = native.syscall(sys.fanotify_init, flags | FAN_REPORT_TARGET_FID, c.O_RDONLY)
  if (fd === -errno.EINVAL) {
    mask |= Event.MOVE_SELF
    fd = native.syscall(sys.fanotify_init, flags, c.O_RDONLY)
  }
  if (fd < 0) throw refusal(-fd)
  const result = native.syscall(sys.fanotify_mark, fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask, directory, 0)
  if (result === 0) return fd
  native.syscall(sys.close, fd)
  throw refusal(-result)
}

function refusal(code: number): FilesystemError {
  const why = new Map<number, string>([
    [errno.EPERM, 'only root may (CAP_SYS_ADMIN, not that of a container)'],
    [errno.EINVAL, 'Linux 5.9 is needed'],
    [errno.ENOSYS, 'this kernel has no fanotify'],
    [errno.EMFILE, 'too many are watched already (/proc/sys/fs/fanotify)'],
    [errno.ENODEV, 'its file system has no identity'],
    [errno.EXDEV, 'it is a subvolume; mount the file system itself'],
    [errno.EOPNOTSUPP, 'its file system has no file handles'],
  ]).get(code)
  return new FilesystemError(code, `changes beneath cannot be watched: ${why ?? `errno ${code}`}`)
}
