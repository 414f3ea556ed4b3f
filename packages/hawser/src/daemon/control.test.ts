import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ControlClient, ControlError } from './control-client.js'
import { serveControl } from './control-server.js'
import { type ControlRequest, REQUEST_LIMIT } from './protocol.js'

describe('the control socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-control-'))
  const path = join(folder, 'x.sock')
  const asked: ControlRequest[] = []
  let server: Server
  before(async () => {
    server = await serveControl(path, async (request) => {
      asked.push(request)
      if (request.verb === 'unmount') throw Object.assign(new Error('still in use'), { code: 'EBUSY' })
      if (request.verb === 'statistics') return await new Promise(() => undefined)
      return { mountpoint: '/m' }
    })
  })
  after(async () => {
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true })
  })

  /** Sends bytes as they are and answers the lines that come back until the server or the count ends it. */
  function raw(text: string, replies: number): Promise<string[]> {
    return new Promise((resolve) => {
      const socket = connect(path)
      let received = ''
      socket.on('data', (chunk) => {
        received += chunk
        if (received.split('\n').length > replies) socket.end()
      })
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(received.split('\n').filter((line) => line !== '')))
      socket.write(text)
    })
  }

  it('answers each line once, in order', async () => {
    const lines = await raw(
      '{"verb":"status"}\n{"verb":"unmount","mode":"lazy"}\nnonsense\n{"verb":"x"}\n',
      4,
    )
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      [
        { ok: true, result: { mountpoint: '/m' } },
        { ok: false, error: { code: 'EBUSY', message: 'still in use' } },
        { ok: false, error: { code: 'FAILED', message: 'the request is not JSON' } },
        { ok: false, error: { code: 'FAILED', message: 'unknown verb "x"' } },
      ],
    )
    assert.deepEqual(asked.at(-1), { verb: 'unmount', mode: 'lazy' })
  })

  it('refuses unknown modes and requests that are no objects', async () => {
    const lines = await raw('{"verb":"unmount","mode":"x"}\nnull\n', 2)
    assert.match(lines[0], /unknown mode/)
    assert.match(lines[1], /unknown verb/)
  })

  it('cuts off who sends without end', async () => {
    assert.deepEqual(await raw('x'.repeat(REQUEST_LIMIT + 1), 1), [])
  })

  it('lets go of who says nothing, not of who waits for an answer', { timeout: 20_000 }, async (t) => {
    const slow = join(folder, 'slow.sock')
    const late = () => new Promise((resolve) => setTimeout(() => resolve({ mountpoint: '/late' }), 500))
    const patient = await serveControl(slow, late, 50)
    t.after(() => patient.close())
    const client = await ControlClient.open(slow)
    t.after(() => client.close())
    assert.deepEqual(await client.ask({ verb: 'unmount', mode: 'clean' }, 10_000), { mountpoint: '/late' })
    await client.closed
  })

  it('tells its client what went wrong', async () => {
    const client = await ControlClient.open(path)
    const busy = (error: unknown) => error instanceof ControlError && error.code === 'EBUSY'
    await assert.rejects(client.ask({ verb: 'unmount', mode: 'clean' }, 300_000), busy)
    const late = (error: unknown) => error instanceof ControlError && error.code === 'UNRESPONSIVE'
    await assert.rejects(client.ask({ verb: 'statistics' }, 20), late)
    client.close()
    const dead = (error: unknown) => error instanceof ControlError && error.code === 'DEAD'
    await assert.rejects(ControlClient.open(join(folder, 'nobody.sock')), dead)
  })
})
