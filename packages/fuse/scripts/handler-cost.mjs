// What a request costs in JavaScript, without the kernel: nanoseconds and bytes allocated, through the wire-level file system alone
// and through the node layer. Run after the build: node packages/fuse/scripts/handler-cost.mjs
// (with --trace-gc it also shows the collections).
import { PerformanceObserver, performance } from 'node:perf_hooks'
import v8 from 'node:v8'
import vm from 'node:vm'
import { Message, NodeFilesystem, ObjectNodes, Opcode, Session } from '../dist/index.js'

const ROUNDS = 1_000_000
v8.setFlagsFromString('--expose-gc')
const gc = vm.runInNewContext('gc')

let collections = 0
new PerformanceObserver((list) => {
  collections += list.getEntries().length
}).observe({ entryTypes: ['gc'] })

const file = { mode: 0o100644, size: 10 }
const data = Buffer.from('0123456789')
const wire = {
  lookup(request, reply) {
    if (request.name.length !== 4) return reply.fail(2)
    reply.nodeId = 2
    reply.generation = 1
    reply.entryTimeout = 1
    reply.attrTimeout = 1
    reply.attr.mode = file.mode
    reply.attr.size = file.size
  },
  getattr(_request, reply) {
    reply.attrTimeout = 1
    reply.attr.mode = file.mode
    reply.attr.size = file.size
  },
  read: (_request, reply) => reply.data(data),
  write: (request, reply) => {
    reply.size = request.size
  },
}

function nodeLayer() {
  const nodes = new ObjectNodes({})
  const node = {}
  nodes.remember(node)
  return new NodeFilesystem(
    {
      lookup(_parent, name, attr) {
        if (name.length !== 4) return undefined
        attr.mode = file.mode
        attr.size = file.size
        return node
      },
      getattr(_node, attr) {
        attr.mode = file.mode
        attr.size = file.size
      },
      open: () => node,
      read: (_node, _handle, _request, reply) => reply.data(data),
      write: (_node, _handle, request, reply) => {
        reply.size = request.size
      },
    },
    { nodes },
  )
}

/** Requests as the kernel sends them, on nodes 1 (the root) and 2. */
const requests = {
  lookup: [Opcode.LOOKUP, 1, 45, (message) => message.inputBytes.write('name\0', 40)],
  getattr: [Opcode.GETATTR, 2, 56, () => {}],
  read: [Opcode.READ, 2, 80, (message) => message.input.set([4096], 14)],
  write: [Opcode.WRITE, 2, 80 + 4096, (message) => message.input.set([4096], 14)],
}

function measure(filesystem, operation) {
  const session = new Session(filesystem, -1)
  const message = new Message(1 << 20)
  const [opcode, node, length, fill] = requests[operation]
  message.input.fill(0, 0, 64)
  message.input.set([length, opcode, 1, 0, node])
  fill(message)
  const run = (rounds) => {
    for (let n = 0; n < rounds; n++) {
      message.input[2] = n
      session.handle(message, length)
    }
  }
  run(200_000)
  if (message.failed) throw new Error(`${operation}: errno ${-(message.output[1] | 0)}`)
  gc()
  const before = process.memoryUsage().heapUsed
  run(20_000)
  const bytes = (process.memoryUsage().heapUsed - before) / 20_000
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    run(ROUNDS / 5)
    best = Math.min(best, ((performance.now() - start) * 1e6) / (ROUNDS / 5))
  }
  return { ns: best, bytes }
}

console.log('| operation | wire ns | bytes | node layer ns | bytes | difference ns |')
console.log('| --- | ---: | ---: | ---: | ---: | ---: |')
for (const operation of Object.keys(requests)) {
  const alone = measure(wire, operation)
  const layered = measure(nodeLayer(), operation)
  const figures = [
    alone.ns.toFixed(0),
    alone.bytes.toFixed(1),
    layered.ns.toFixed(0),
    layered.bytes.toFixed(1),
    (layered.ns - alone.ns).toFixed(0),
  ]
  console.log(`| ${operation} | ${figures.join(' | ')} |`)
}
await new Promise((resolve) => setTimeout(resolve, 10))
console.log(`\n${collections} collections in ${8 * (ROUNDS + 220_000)} requests, 8 of them asked for`)
