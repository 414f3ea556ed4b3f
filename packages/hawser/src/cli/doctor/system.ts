// Probes that only look: files, limits, versions.
import { accessSync, closeSync, constants, openSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism, release, totalmem } from 'node:os'
import { delimiter, join } from 'node:path'
import { formatBytes, formatCount } from '../text.js'
import type { Check } from './check.js'

const CAP_SYS_ADMIN = 21

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

export function mayAdminister(): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)/m.exec(readText('/proc/self/status') ?? '')?.[1] ?? '0'
  return ((BigInt(`0x${mask}`) >> BigInt(CAP_SYS_ADMIN)) & 1n) === 1n
}

export function kernelAtLeast(major: number, minor: number): boolean {
  const [have, haveMinor] = release().split('.').map(Number)
  return have > major || (have === major && haveMinor >= minor)
}

export function checkNode(): Check {
  const { node } = process.versions
  const [major, minor] = node.split('.').map(Number)
  const enough = major > 20 || (major === 20 && minor >= 20)
  return {
    name: 'Node.js',
    verdict: enough ? 'ok' : 'failed',
    finding: `${node}, ${process.arch}`,
    remedy: enough ? undefined : 'install Node.js 20.20 or later',
  }
}

export async function checkAddon(): Promise<Check> {
  try {
    const { native } = await import('@hawser/fuse')
    const uid = native.syscall(native.sys.geteuid)
    if (uid !== process.geteuid!()) throw new Error(`geteuid answered ${uid}`)
    return { name: 'addon', verdict: 'ok', finding: 'loaded, makes system calls' }
  } catch (error) {
    const finding = (error as Error).message.split('\n')[0]
    return {
      name: 'addon',
      verdict: 'failed',
      finding,
      remedy: 'run npm run build; it needs a C compiler (Debian: apt-get install gcc libc6-dev)',
    }
  }
}

export function checkKernel(): Check {
  const enough = kernelAtLeast(5, 4)
  return {
    name: 'kernel',
    verdict: enough ? 'ok' : 'failed',
    finding: release(),
    remedy: enough ? undefined : 'Linux 5.4 (FUSE protocol 7.31) or later is needed',
  }
}

export function checkDevice(): Check {
  const name = '/dev/fuse'
  try {
    closeSync(openSync(name, 'r+'))
    return {
      name,
      verdict: 'ok',
      finding: `opened for reading and writing (mode ${(statSync(name).mode & 0o777).toString(8)})`,
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return { name, verdict: 'failed', finding: `cannot be opened: ${code}`, remedy: deviceRemedy(code) }
  }
}

function deviceRemedy(code: string | undefined): string {
  if (code === 'ENOENT') return 'as root: modprobe fuse; in a container: docker run --device /dev/fuse'
  if (code === 'EACCES') return 'as root: chmod 666 /dev/fuse (distributions do, by a udev rule)'
  if (code === 'EPERM')
    return 'the container may not use it: docker run --device /dev/fuse, or a device plugin in Kubernetes'
  return 'as root: modprobe fuse'
}

export function findProgram(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '/usr/bin:/bin').split(delimiter)) {
    const path = join(folder || '.', name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // not there
    }
  }
  return undefined
}

export function checkFusermount(): Check {
  const name = 'fusermount3'
  const root = mayAdminister()
  const lesser = root ? 'info' : 'failed'
  const path = findProgram(name)
  const purpose = root ? '; only users without root need it' : ''
  if (path === undefined) {
    return {
      name,
      verdict: lesser,
      finding: `not installed${purpose}`,
      remedy: 'Debian: apt-get install fuse3',
    }
  }
  const status = statSync(path)
  if (status.uid === 0 && (status.mode & 0o4000) !== 0)
    return { name, verdict: 'ok', finding: `${path}, setuid root` }
  return {
    name,
    verdict: lesser,
    finding: `${path} is not setuid root${purpose}`,
    remedy: `as root: chown root ${path} && chmod u+s ${path}`,
  }
}

export function checkAllowOther(): Check {
  const name = 'allow_other'
  if (mayAdminister()) return { name, verdict: 'ok', finding: 'root may use it' }
  const lines = readText('/etc/fuse.conf')?.split('\n') ?? []
  const enabled = lines.some((line) => line.trim() === 'user_allow_other')
  return enabled
    ? { name, verdict: 'ok', finding: 'user_allow_other is in /etc/fuse.conf' }
    : {
        name,
        verdict: 'off',
        finding: 'only for root here',
        remedy: 'as root: echo user_allow_other >> /etc/fuse.conf',
      }
}

export function checkUserNamespaces(): Check {
  const name = 'user namespaces'
  const maximum = Number(readText('/proc/sys/user/max_user_namespaces') ?? 0)
  const clone = readText('/proc/sys/kernel/unprivileged_userns_clone')
  const restricted = readText('/proc/sys/kernel/apparmor_restrict_unprivileged_userns')
  if (maximum === 0)
    return {
      name,
      verdict: 'off',
      finding: 'none allowed',
      remedy: 'as root: sysctl user.max_user_namespaces=10000',
    }
  if (clone === '0')
    return {
      name,
      verdict: 'off',
      finding: 'only for root',
      remedy: 'as root: sysctl kernel.unprivileged_userns_clone=1',
    }
  if (restricted === '1') {
    return {
      name,
      verdict: 'off',
      finding: 'restricted by AppArmor',
      remedy: 'as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0',
    }
  }
  return { name, verdict: 'ok', finding: `up to ${formatCount(maximum)}` }
}

export function checkIoUring(): Check {
  const name = 'io_uring'
  const disabled = readText('/proc/sys/kernel/io_uring_disabled')
  const enabled = readText('/sys/module/fuse/parameters/enable_uring')
  if (enabled === undefined) {
    return {
      name,
      verdict: 'off',
      finding: 'this kernel has no FUSE over io_uring (Linux 6.14 or later); the classic engine serves',
    }
  }
  if (disabled === '2' || (disabled === '1' && !mayAdminister())) {
    return {
      name,
      verdict: 'off',
      finding: `kernel.io_uring_disabled is ${disabled}`,
      remedy: 'as root: sysctl kernel.io_uring_disabled=0',
    }
  }
  const on = enabled === 'Y' || enabled === '1'
  // hawser never does this itself: it changes every FUSE mount made afterwards on this machine.
  const remedy = on
    ? undefined
    : 'as root: echo Y > /sys/module/fuse/parameters/enable_uring (for mounts made afterwards)'
  return {
    name,
    verdict: on ? 'ok' : 'off',
    finding: on ? 'FUSE may use it' : 'not enabled for FUSE; the classic engine serves',
    remedy,
  }
}

export function checkLimits(): Check[] {
  const limits = readText('/proc/self/limits') ?? ''
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits) ?? ['', '?', '?']
  const few = Number(hard) < 65_536
  const pages = readText('/proc/sys/fs/fuse/max_pages_limit')
  const page = pages === undefined ? undefined : Number(pages) * 4096
  const background = readText('/sys/module/fuse/parameters/max_user_bgreq')
  const checks: Check[] = [
    {
      name: 'open files',
      verdict: few ? 'off' : 'ok',
      finding: `${soft}, at most ${hard}`,
      remedy: few ? 'raise it: ulimit -Hn 1048576, or LimitNOFILE= in the unit' : undefined,
    },
    {
      name: 'request size',
      verdict: 'info',
      finding: page === undefined ? '1 MiB' : `fs.fuse.max_pages_limit ${pages}: ${formatBytes(page)}`,
      remedy:
        page !== undefined && page < 2 ** 20 ? 'as root: sysctl fs.fuse.max_pages_limit=256' : undefined,
    },
  ]
  if (background !== undefined) {
    checks.push({
      name: 'background requests',
      verdict: 'info',
      finding: `max_user_bgreq ${background}, for mounts without root`,
    })
  }
  checks.push(checkMemory())
  return checks
}

function checkMemory(): Check {
  const available = Number(/^MemAvailable:\s+(\d+)/m.exec(readText('/proc/meminfo') ?? '')?.[1] ?? 0) * 1024
  const group = readText('/sys/fs/cgroup/memory.max')
  const count = availableParallelism()
  const processors = count === 1 ? '1 processor' : `${count} processors`
  const limited =
    group === undefined || group === 'max' ? '' : `, limited to ${formatBytes(Number(group))} by the cgroup`
  return {
    name: 'memory',
    verdict: 'info',
    finding: `${formatBytes(totalmem())}, ${formatBytes(available)} available${limited}; ${processors}`,
  }
}
