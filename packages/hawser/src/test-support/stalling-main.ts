// A file system whose file 'slow' answers reads and fsyncs only when it is told to. Argument: the mount point. Prints
// "ready", then "read" or "fsync" when one has come; "go" on its input answers all that wait, "interrupted" is printed for
// one whose caller gave up.
import { createInterface } from 'node:readline'
import {
  Directory,
  File,
  FilesystemError,
  mountTree,
  type ReadReply,
  type ReadRequest,
  type Request,
} from '@hawser/fuse'

const say = (word: string) => process.stdout.write(`${word}\n`)
const waiting = new Set<() => void>()

/** Waits for the word; a caller that is interrupted gets EINTR. */
function stalled(what: string, request: Request): Promise<void> {
  return new Promise((resolve, reject) => {
    const go = () => {
      waiting.delete(go)
      resolve()
    }
    waiting.add(go)
    request.signal.addEventListener('abort', () => {
      waiting.delete(go)
      say('interrupted')
      reject(new FilesystemError('EINTR'))
    })
    say(what)
  })
}

class Slow extends File {
  override async read(
    offset: number,
    size: number,
    handle: unknown,
    request: ReadRequest,
    reply: ReadReply,
  ): Promise<Uint8Array | undefined> {
    await stalled('read', request)
    return (await super.read(offset, size, handle, request, reply)) as Uint8Array
  }
  override fsync(_dataOnly: boolean, _handle: unknown, request: Request): Promise<void> {
    return stalled('fsync', request)
  }
  override write(_offset: number, data: Buffer): number {
    return data.length
  }
}

const slow = new Slow('slow content', { permissions: 0o666 })
const root = new Directory({
  slow,
  fast: new File('fast content'),
  inside: new Directory(
    Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}`, new File(`${i}`)])),
  ),
})
const mounted = await mountTree(root, process.argv[2], { fsname: 'stalling' })
say('ready')
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'go') for (const go of waiting) go()
}
await mounted.unmount('lazy').catch(() => {})
process.exit()
