// The file system that record.mjs serves: in memory, with a fixed clock and every operation, answering what a recording
// needs rather than what a user would want.
import { constants, errno } from '../dist/native.js'
import { Opcode, OpenFlag, SetattrValid } from '../dist/protocol/index.js'

const { S_IFDIR, S_IFLNK, S_IFREG, S_IFMT } = constants
export const CLOCK = { seconds: 1_700_000_000, nanoseconds: 123_456_789 }
const BIRTH = { seconds: 1_234_567_890, nanoseconds: 987_654_321 }
const STATX_BASIC_AND_BTIME = 0xfff

/** @param options.attrTimeout seconds */
export function recordFilesystem({ attrTimeout = 0, onNode = () => {} } = {}) {
  const nodes = new Map()
  const handles = new Map()
  const waiting = new Set()
  let nextNode = 1
  let nextHandle = 0x1_2345_6780

  function make(mode, init = {}) {
    const node = {
      id: nextNode++,
      mode,
      uid: 0,
      gid: 0,
      rdev: 0,
      nlink: 1,
      data: Buffer.alloc(0),
      target: '',
      entries: new Map(),
      xattrs: new Map(),
      atime: CLOCK,
      mtime: CLOCK,
      ctime: CLOCK,
      ...init,
    }
    nodes.set(node.id, node)
    onNode(node)
    return node
  }
  make(S_IFDIR | 0o755, { nlink: 2 })

  const nodeOf = (request) => nodes.get(request.nodeId)
  function attributes(node) {
    return {
      ino: node.id + 1000,
      size: node.data.length,
      mode: node.mode,
      nlink: node.nlink,
      uid: node.uid,
      gid: node.gid,
      rdev: node.rdev,
      atime: node.atime,
      mtime: node.mtime,
      ctime: node.ctime,
      blksize: 4096,
    }
  }
  function enter(node, reply) {
    reply.nodeId = node.id
    reply.generation = 7
    reply.entryTimeout = 3600
    reply.attrTimeout = attrTimeout
    reply.attr.set(attributes(node))
  }
  function opened(node, reply) {
    handles.set(nextHandle, node)
    reply.fh = nextHandle++
    reply.flags = OpenFlag.KEEP_CACHE
  }
  function add(request, mode, init) {
    const parent = nodeOf(request)
    const node = make(mode, { uid: request.uid, gid: request.gid, ...init })
    parent.entries.set(request.name.toString(), node)
    return node
  }
  function remove(request) {
    const { entries } = nodeOf(request)
    const name = request.name.toString()
    entries.get(name).nlink--
    entries.delete(name)
  }
  function resize(node, size) {
    const data = Buffer.alloc(size)
    node.data.copy(data)
    node.data = data
  }
  function put(node, offset, bytes) {
    if (node.data.length < offset + bytes.length) resize(node, offset + bytes.length)
    node.data.set(bytes, offset)
  }
  function attr(node, reply) {
    reply.attrTimeout = attrTimeout
    reply.attr.set(attributes(node))
  }
  function list(request, add) {
    const all = [['.', nodeOf(request)], ['..', nodes.get(1)], ...nodeOf(request).entries]
    for (let at = request.offsetLow; at < all.length; at++) {
      const [name, node] = all[at]
      if (!add({ name, ino: node.id + 1000, type: node.mode & S_IFMT, offset: at + 1 }, node)) break
    }
  }
  function until(request) {
    return new Promise((resolve, reject) => {
      const done = { resolve }
      waiting.add(done)
      request.signal.addEventListener('abort', () => {
        waiting.delete(done)
        reject(Object.assign(new Error('interrupted'), { name: 'AbortError' }))
      })
    })
  }

  const filesystem = {
    host: undefined,
    nodes,
    /** Lets those go that wait. */
    go() {
      for (const { resolve } of waiting) resolve()
      waiting.clear()
    },
    init(host) {
      filesystem.host = host
    },
    lookup(request, reply) {
      const node = nodeOf(request).entries.get(request.name.toString())
      if (node) enter(node, reply)
      else reply.negative(request.name.toString().startsWith('absent') ? 60 : 0)
    },
    forget() {},
    getattr: (request, reply) => attr(nodeOf(request), reply),
    statx(request, reply) {
      const node = nodeOf(request)
      reply.attrTimeout = attrTimeout
      reply.set({
        ...attributes(node),
        mask: STATX_BASIC_AND_BTIME,
        btime: BIRTH,
        attributes: 0x10,
        attributesMask: 0x30,
        rdevMajor: 0,
        rdevMinor: 0,
        devMajor: 8,
        devMinor: 3,
      })
    },
    setattr(request, reply) {
      const node = nodeOf(request)
      const { valid } = request
      if (valid & SetattrValid.MODE) node.mode = request.mode
      if (valid & SetattrValid.UID) node.uid = request.newUid
      if (valid & SetattrValid.GID) node.gid = request.newGid
      if (valid & SetattrValid.SIZE) resize(node, request.size)
      for (const name of ['atime', 'mtime', 'ctime']) {
        const time = request[name]
        if (time) node[name] = time.now ? CLOCK : time
      }
      attr(node, reply)
    },
    readlink: (request, reply) => reply.data(nodeOf(request).target),
    symlink(request, reply) {
      const target = request.target.toString()
      enter(add(request, S_IFLNK | 0o777, { target, data: Buffer.from(target) }), reply)
    },
    mknod: (request, reply) => enter(add(request, request.mode, { rdev: request.rdev }), reply),
    mkdir: (request, reply) => enter(add(request, S_IFDIR | request.mode, { nlink: 2 }), reply),
    unlink: remove,
    rmdir: remove,
    rename(request) {
      const from = nodeOf(request).entries
      const to = nodes.get(request.newParent).entries
      const [oldName, newName] = [request.name.toString(), request.newName.toString()]
      const [moved, other] = [from.get(oldName), to.get(newName)]
      to.set(newName, moved)
      if (request.flags === constants.RENAME_EXCHANGE) from.set(oldName, other)
      else from.delete(oldName)
    },
    link(request, reply) {
      const node = nodes.get(request.target)
      node.nlink++
      nodeOf(request).entries.set(request.name.toString(), node)
      enter(node, reply)
    },
    open(request, reply) {
      const node = nodeOf(request)
      if (request.flags & constants.O_TRUNC) resize(node, 0)
      opened(node, reply)
    },
    read(request, reply) {
      const node = handles.get(request.fh)
      const answer = () => reply.data(node.data.subarray(request.offset, request.offset + request.size))
      if (node.waits) return until(request).then(answer)
      answer()
    },
    write(request, reply) {
      put(handles.get(request.fh), request.offset, request.data)
      reply.size = request.size
    },
    flush() {},
    release: (request) => void handles.delete(request.fh),
    fsync() {},
    statfs: (_, reply) =>
      reply.set({
        blocks: 0x1_0000_0001,
        bfree: 0x9000_0002,
        bavail: 0x8000_0003,
        files: 0x1_0000_0004,
        ffree: 0x9000_0005,
        bsize: 4096,
        namelen: 250,
        frsize: 512,
      }),
    setxattr: (request) =>
      void nodeOf(request).xattrs.set(request.name.toString(), Buffer.from(request.value)),
    getxattr(request, reply) {
      const value = nodeOf(request).xattrs.get(request.name.toString())
      if (value) reply.value(value)
      else reply.fail(errno.ENODATA)
    },
    listxattr: (request, reply) =>
      reply.value(Buffer.from([...nodeOf(request).xattrs.keys()].map((name) => `${name}\0`).join(''))),
    removexattr: (request) => void nodeOf(request).xattrs.delete(request.name.toString()),
    opendir(request, reply) {
      opened(nodeOf(request), reply)
      reply.flags = 0
    },
    readdir: (request, reply) => list(request, (entry) => reply.add(entry)),
    readdirplus: (request, reply) =>
      list(request, (entry, node) =>
        reply.addPlus(entry, (fields) => entry.name !== '.' && entry.name !== '..' && enter(node, fields)),
      ),
    releasedir: (request) => void handles.delete(request.fh),
    fsyncdir() {},
    getlk: (request, reply) =>
      reply.set({ start: 100, end: Number.POSITIVE_INFINITY, type: constants.F_WRLCK, pid: request.pid }),
    setlk() {},
    setlkw: (request) => (request.type === constants.F_WRLCK ? until(request) : undefined),
    access() {},
    create(request, reply) {
      const node = add(request, S_IFREG | request.mode)
      enter(node, reply.entry)
      opened(node, reply)
    },
    tmpfile(request, reply) {
      const node = make(S_IFREG | request.mode, { nlink: 0 })
      enter(node, reply.entry)
      opened(node, reply)
    },
    bmap(request, reply) {
      reply.block = request.block + 1000
    },
    ioctl(request, reply) {
      reply.result = 0
      // The bytes given, turned around; where none are given, flags.
      reply.data(
        request.data.length ? Buffer.from(request.data).reverse() : Buffer.alloc(request.outputSize, 0x10),
      )
    },
    poll(request, reply) {
      const node = handles.get(request.fh)
      reply.events = node.ready ? 1 : 0
      node.ready = true
      const { pollHandle } = request
      if (request.wantsNotification) setTimeout(() => filesystem.host.notifier.poll(pollHandle), 50)
    },
    fallocate(request) {
      const node = handles.get(request.fh)
      if (!(request.mode & 1)) resize(node, Math.max(node.data.length, request.offset + request.length))
    },
    lseek(request, reply) {
      reply.offset =
        request.whence === constants.SEEK_DATA ? request.offset : handles.get(request.fh).data.length
    },
    copyFileRange(request, reply) {
      if (filesystem.refuse64 && request.opcode === Opcode.COPY_FILE_RANGE_64) return reply.fail(errno.ENOSYS)
      const from = handles.get(request.fh).data.subarray(request.offset, request.offset + request.length)
      put(handles.get(request.outFh), request.outOffset, Buffer.from(from))
      reply.copied = from.length
    },
    syncfs() {},
  }
  return filesystem
}
