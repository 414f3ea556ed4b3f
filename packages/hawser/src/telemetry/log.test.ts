import assert from 'node:assert/strict'
import { pbkdf2 } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { Logger, redact } from './log.js'

describe('the log', () => {
  let folder: string
  let file: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hawser-log-'))
    file = join(folder, 'log')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('is one line an event, with time and level, and leaves out what was not asked for', async () => {
    const logger = new Logger({ level: 'warn', format: 'text', file })
    logger.log('error', 'first\nof two')
    logger.log('info', 'not this')
    logger.log('warn', 'second')
    await logger.drain()
    const lines = readFileSync(file, 'utf8').split('\n')
    assert.match(lines[0], /^\d{4}-\d\d-\d\dT[\d:.]+Z error first\\nof two$/)
    assert.match(lines[1], /Z warn {2}second$/)
    assert.equal(lines.length, 3)
  })

  it('keeps the order of many lines and may be JSON', async () => {
    const logger = new Logger({ level: 'debug', format: 'json', file })
    for (let number = 0; number < 1000; number++) logger.log('debug', `"${number}"`)
    await logger.drain()
    const lines = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      lines.map(({ message }) => message),
      Array.from({ length: 1000 }, (_, number) => `"${number}"`),
    )
    assert.ok(lines.every(({ level, time }) => level === 'debug' && !Number.isNaN(Date.parse(time))))
  })

  it('drops lines rather than memory, and says how many', async () => {
    const logger = new Logger({ level: 'info', format: 'text', file })
    const long = 'x'.repeat(10_000)
    for (let number = 0; number < 300; number++) logger.log('info', long)
    await logger.drain()
    assert.match(readFileSync(file, 'utf8'), / warn {2}\d+ lines were dropped\n/)
  })

  it('goes on in a new file after the old one was renamed', async () => {
    const logger = new Logger({ level: 'info', format: 'text', file })
    logger.log('info', 'old')
    await logger.drain()
    renameSync(file, `${file}.1`)
    logger.reopen()
    logger.log('info', 'new')
    await logger.drain()
    assert.match(readFileSync(`${file}.1`, 'utf8'), /old\n$/)
    assert.match(readFileSync(file, 'utf8'), /^\S+ info {2}new\n$/)
  })

  it('goes on in the old file where a new one cannot be made', async () => {
    mkdirSync(join(folder, 'inner'))
    const logger = new Logger({ level: 'info', format: 'text', file: join(folder, 'inner', 'log') })
    renameSync(join(folder, 'inner'), join(folder, 'moved'))
    logger.reopen()
    await logger.drain()
    assert.match(
      readFileSync(join(folder, 'moved', 'log'), 'utf8'),
      /error cannot open the log file again: ENOENT/,
    )
  })

  it('writes nothing into a file that gets the number of the old one', async () => {
    const logger = new Logger({ level: 'info', format: 'text', file })
    // The write waits behind these for a thread.
    const busy = Array.from({ length: 8 }, () => promisify(pbkdf2)('', '', 100_000, 64, 'sha512'))
    logger.log('info', 'old')
    logger.reopen()
    const other = join(folder, 'other')
    const fd = openSync(other, 'w')
    await Promise.all([...busy, logger.drain()])
    closeSync(fd)
    assert.equal(readFileSync(other, 'utf8'), '')
    assert.match(readFileSync(file, 'utf8'), /old\n$/)
  })

  it('never holds a password, and a stack only for those who debug', async () => {
    const logger = new Logger({ level: 'info', format: 'text', file })
    logger.error('cannot reach redis://user:secret@host:6379/0', new Error('refused'))
    await logger.drain()
    assert.match(
      readFileSync(file, 'utf8'),
      /^\S+ error cannot reach redis:\/\/\*\*\*@host:6379\/0: refused\n$/,
    )
    assert.equal(redact('see /a/b@c and s3://bucket/x'), 'see /a/b@c and s3://bucket/x')
    assert.equal(redact('a+b.c-1://u:p@h/x@y, S://p@h 1://u@h'), 'a+b.c-1://***@h/x@y, S://***@h 1://u@h')
  })

  it('looks for passwords in long words in a time that does not grow with the square of their length', () => {
    // A test file's limit strikes where it does.
    const COUNT = 2 ** 21
    for (const part of ['x', 'x:', 'x:/', 'x://', '1', 'x@', '/']) {
      const text = part.repeat(COUNT)
      assert.ok(redact(text) === text, part)
    }
    assert.equal(redact(`${'x'.repeat(COUNT)}://secret@host`).slice(-12), 'x://***@host')
  })
})
