// Serves a mount on a worker thread: says 'ready', unmounts on any message, and ends.
import { parentPort, workerData } from 'node:worker_threads'
import { mount } from './mount.js'
import { flat } from './session/serve.test.support.js'

const { path, stalled } = workerData as { path: string; stalled?: number }
const filesystem = flat({ file: { data: Buffer.from('from a worker') }, stalled: { size: 10 } })
const { read } = filesystem
filesystem.read = (request, reply) => {
  if (request.nodeId === 3 && stalled !== undefined) return reply.descriptor(stalled, 0, 10, 2)
  return read?.(request, reply)
}
const mounted = await mount(filesystem, path)
parentPort?.postMessage('ready')
parentPort?.once('message', async () => {
  mounted.session.notifier.invalidateInode(2)
  await mounted.unmount()
  await mounted.closed
  parentPort?.close()
})
