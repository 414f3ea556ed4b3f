// The probe that counts: a real mount of a small folder, used and unmounted.
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ControlClient } from '../../daemon/control-client.js'
import { mountPrivately } from '../private-mount.js'
import type { Check } from './check.js'
import { kernelAtLeast, mayAdminister } from './system.js'

const TEXT = 'the quick brown fox\n'

export interface TestMount {
  mount: Check
  passthrough: Check
}

export async function testMount(): Promise<TestMount> {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-doctor-'))
  try {
    return await mountIn(folder)
  } catch (error) {
    const finding = (error as Error).message.split('\n')[0]
    // fusermount3 looks its caller up, and containers like to run as users that nobody has named.
    const nameless = finding.includes('could not determine username')
    const remedy = nameless ? `give user ${process.geteuid!()} a line in /etc/passwd` : undefined
    return {
      mount: { name: 'test mount', verdict: 'failed', finding, remedy },
      passthrough: { name: 'passthrough', verdict: 'off', finding: 'not tried: nothing could be mounted' },
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function mountIn(folder: string): Promise<TestMount> {
  const [source, mountpoint] = ['source', 'mnt'].map((name) => join(folder, name))
  for (const path of [source, mountpoint]) mkdirSync(path)
  writeFileSync(join(source, 'file'), TEXT)
  const { entry, milliseconds } = await mountPrivately(folder, 'error')
  const client = await ControlClient.open(entry.socket)
  let passthrough: Check
  try {
    passthrough = await use(client, mountpoint)
  } finally {
    await client.ask({ verb: 'unmount', mode: 'force' }, 10_000)
    client.close()
  }
  const finding = `mounted in ${milliseconds.toFixed(0)} ms, read, unmounted; engine ${entry.engine}`
  return { mount: { name: 'test mount', verdict: 'ok', finding }, passthrough }
}

async function use(client: ControlClient, mountpoint: string): Promise<Check> {
  const path = join(mountpoint, 'file')
  if (readFileSync(path, 'utf8') !== TEXT) throw new Error('a file read back differently')
  const fd = openSync(path, 'r')
  try {
    readSync(fd, Buffer.alloc(1))
    const { statistics } = await client.ask({ verb: 'statistics' }, 5000)
    return judgePassthrough(statistics.kernelPassthrough > 0)
  } finally {
    closeSync(fd)
  }
}

function judgePassthrough(seen: boolean): Check {
  const name = 'passthrough'
  if (seen) return { name, verdict: 'ok', finding: 'the kernel reads and writes local files itself' }
  if (!kernelAtLeast(6, 9))
    return { name, verdict: 'off', finding: 'needs Linux 6.9 or later; the server reads and writes' }
  if (!mayAdminister()) {
    return {
      name,
      verdict: 'off',
      finding: 'needs CAP_SYS_ADMIN; the server reads and writes',
      remedy: 'mount as root',
    }
  }
  return {
    name,
    verdict: 'off',
    finding: 'not used here (CONFIG_FUSE_PASSTHROUGH, or the file system of the source, lacks it)',
  }
}
