import { lstatSync, unlinkSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { metricsContentType } from './metrics.js'
import { type MetricsAddress, metricsUrl } from './metrics-address.js'

export interface MetricsServer {
  /** As one would ask for it, the port filled in. */
  url: string
  close(): void
}

/** Serves GET /metrics, and /healthz for probes; settles when it listens. */
export async function serveMetrics(address: MetricsAddress, render: () => string): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0]
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end()
    } else if (path === '/metrics') {
      response.writeHead(200, { 'content-type': metricsContentType }).end(render())
    } else if (path === '/healthz') {
      response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n')
    } else {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('only /metrics and /healthz are here\n')
    }
  })
  server.maxConnections = 32
  server.headersTimeout = 5000
  server.requestTimeout = 10_000
  if (address.type === 'unix') await removeStaleSocket(address.path)
  await listen(server, address)
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  return {
    url: metricsUrl(address, port),
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function listen(server: Server, address: MetricsAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      let why = error.message
      if (error.code === 'EADDRINUSE') why = 'the address is already in use; choose another'
      // libuv says so of a folder that is not there, too.
      else if (address.type === 'unix' && error.code === 'EACCES')
        why = 'its folder is missing or not writable'
      reject(new Error(`cannot serve metrics on ${metricsUrl(address, 0)}: ${why}`))
    })
    server.once('listening', () => {
      server.on('error', () => undefined)
      resolve()
    })
    if (address.type === 'tcp') {
      server.listen(address.port, address.host)
      return
    }
    // The socket is bound within listen(): nobody else can connect at any moment.
    const before = process.umask(0o177)
    try {
      server.listen(address.path)
    } finally {
      process.umask(before)
    }
  })
}

/** A socket that nobody answers on is left over from a process that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return
  const refused = await new Promise<boolean>((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
  })
  if (refused) unlinkSync(path)
}
