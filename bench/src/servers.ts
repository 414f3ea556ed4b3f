import type { Located, Tools } from './tools.js'

/** What the kernel may keep: the same for all servers of a row, or the row compares caches. */
export type Profile =
  /** Nothing is cached: timeouts 0 and direct I/O. */
  | 'uncached'
  /** Names and attributes for a second, pages while a file is open. */
  | 'cached'
  /** As cached, and the kernel serves reads and writes of open files itself. */
  | 'kernel-passthrough'

export type Family = 'native' | 'memory' | 'passthrough'

export interface MountRequest {
  path: string
  /** What the program says about its options, for those that not all versions have. */
  help: string
  source: string
  mountPoint: string
  profile: Profile
  bytes: number
}

export interface ServerSpec {
  id: string
  label: string
  family: Family
  /** 'libfuse' servers are the yardstick of their family; 'hawser' ones are held to the targets. */
  role: 'native' | 'libfuse' | 'libfuse-uring' | 'hawser' | 'peer'
  profiles: readonly Profile[]
  /** Whether extended attributes are served, each of which may cost a request: compared with a yardstick that does the same. */
  xattr?: boolean
  /** The server must have an io_uring open, or it does not run as the label says. */
  usesUring?: boolean
  /** What is not as for the others. */
  note?: string
  locate: (tools: Tools) => Located
  command: (request: MountRequest) => string[]
}

const plain: readonly Profile[] = ['uncached', 'cached']

/** Adding a server is adding an entry. All stay in the foreground, so that each is a child that is known by its pid. */
export const servers: readonly ServerSpec[] = [
  {
    id: 'native',
    label: 'native',
    family: 'native',
    role: 'native',
    profiles: ['uncached', 'cached', 'kernel-passthrough'],
    locate: () => ({ path: '' }),
    command: () => [],
  },
  libfuseMemory('libfuse-memory-s', 'libfuse memory -s', ['-s']),
  libfuseMemory('libfuse-memory-mt', 'libfuse memory, threads', []),
  {
    ...libfuseMemory('libfuse-memory-uring', 'libfuse memory, io_uring', ['-o', 'io_uring']),
    role: 'libfuse-uring',
    usesUring: true,
    locate: (tools) => tools.uringMemory,
  },
  hawserMemory('hawser-memory', '**hawser memory**', 'wire'),
  hawserMemory('hawser-memory-nodes', '**hawser memory, node layer**', 'node'),
  passthroughLl('passthrough_ll-s', 'passthrough_ll -s', ['-s'], false),
  passthroughLl('passthrough_ll-mt', 'passthrough_ll, threads', [], false),
  passthroughLl('passthrough_ll-s-xattr', 'passthrough_ll -s, xattr', ['-s'], true),
  passthroughLl('passthrough_ll-mt-xattr', 'passthrough_ll, threads, xattr', [], true),
  {
    ...passthroughHp('passthrough_hp', 'passthrough_hp', [], 'peer'),
    locate: (tools) => tools.passthroughHp,
  },
  {
    ...passthroughHp('passthrough_hp-uring', 'passthrough_hp, io_uring', ['-o', 'io_uring'], 'libfuse-uring'),
    profiles: plain,
    usesUring: true,
    locate: (tools) => tools.uringPassthrough,
  },
  {
    id: 'bindfs',
    label: 'bindfs',
    family: 'passthrough',
    role: 'peer',
    profiles: plain,
    locate: (tools) => tools.bindfs,
    note: 'versions without --direct-io keep pages, and are left out where reads must reach the server',
    command: ({ path, help, source, mountPoint, profile }) => [
      path,
      '-f',
      '--no-allow-other',
      ...(profile === 'uncached' && help.includes('--direct-io') ? ['--direct-io'] : []),
      ...['-o', `${timeouts(profile)},default_permissions`],
      ...[source, mountPoint],
    ],
  },
  {
    id: 'rclone',
    label: 'rclone mount',
    family: 'passthrough',
    role: 'peer',
    // rclone keeps attributes and directories by its own clock; there is no uncached mode to compare.
    profiles: ['cached'],
    locate: (tools) => tools.rclone,
    command: ({ path, source, mountPoint }) => [
      ...[path, 'mount', source, mountPoint, '--config', '/dev/null', '--cache-dir', `${mountPoint}.cache`],
      ...[
        '--vfs-cache-mode',
        'writes',
        '--attr-timeout',
        '1s',
        '--dir-cache-time',
        '1s',
        '--default-permissions',
      ],
    ],
  },
  hawser('hawser', '**hawser**', true),
  { ...hawser('hawser-noxattr', '**hawser, noxattr**', false), profiles: plain },
]

function libfuseMemory(id: string, label: string, flags: string[]): ServerSpec {
  return {
    id,
    label,
    family: 'memory',
    role: 'libfuse',
    profiles: ['uncached'],
    locate: (tools) => tools.libfuseMemory,
    command: ({ path, mountPoint, bytes }) => [path, '-f', ...flags, `--bytes=${bytes}`, mountPoint],
  }
}

function hawserMemory(id: string, label: string, layer: string): ServerSpec {
  return {
    id,
    label,
    family: 'memory',
    role: 'hawser',
    profiles: ['uncached'],
    locate: (tools) => tools.memoryServer,
    command: ({ path, mountPoint, bytes }) => [
      ...[process.execPath, path, `--bytes=${bytes}`, `--layer=${layer}`],
      mountPoint,
    ],
  }
}

function passthroughLl(id: string, label: string, flags: string[], xattr: boolean): ServerSpec {
  return {
    id,
    label,
    family: 'passthrough',
    role: 'libfuse',
    profiles: plain,
    xattr,
    locate: (tools) => tools.passthroughLl,
    command: ({ path, source, mountPoint, profile }) => {
      const cache = profile === 'uncached' ? 'cache=never,timeout=0' : 'cache=auto,timeout=1'
      // Without, it says ENOSYS to the first request for one, and is asked no more.
      const options = `source=${source},${cache},default_permissions,${xattr ? 'xattr' : 'no_xattr'}`
      return [path, '-f', ...flags, '-o', options, mountPoint]
    },
  }
}

function passthroughHp(id: string, label: string, flags: string[], role: ServerSpec['role']): ServerSpec {
  return {
    id,
    label,
    family: 'passthrough',
    role,
    profiles: ['uncached', 'cached', 'kernel-passthrough'],
    note: 'knows no timeout but none and a day: cached rows favour it',
    locate: (tools) => tools.passthroughHp,
    command: ({ path, source, mountPoint, profile }) => [
      ...[path, '--foreground', ...flags, '-o', 'default_permissions'],
      ...(profile === 'uncached' ? ['--nocache', '--direct-io'] : []),
      ...(profile === 'kernel-passthrough' ? [] : ['--nopassthrough']),
      ...[source, mountPoint],
    ],
  }
}

function hawser(id: string, label: string, xattr: boolean): ServerSpec {
  return {
    id,
    label,
    family: 'passthrough',
    role: 'hawser',
    profiles: ['uncached', 'cached', 'kernel-passthrough'],
    xattr,
    locate: (tools) => tools.hawser,
    command: ({ path, source, mountPoint, profile }) => {
      const cache = profile === 'uncached' ? 'cache=never' : 'cache=auto'
      const passthrough = profile === 'kernel-passthrough' ? 'passthrough=auto' : 'passthrough=off'
      const options = `${cache},${passthrough},default_permissions${xattr ? '' : ',noxattr,noacl'}`
      return [process.execPath, path, 'mount', source, mountPoint, '--foreground', '-o', options]
    },
  }
}

function timeouts(profile: Profile): string {
  const seconds = profile === 'uncached' ? 0 : 1
  return `attr_timeout=${seconds},entry_timeout=${seconds},negative_timeout=0`
}
