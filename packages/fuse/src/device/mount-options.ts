import { FuseError } from '../errors.js'
import { constants } from '../native.js'

/** Flags of the mount, as mount(8) names them. A positive and its negation may not both be set. */
export interface MountFlags {
  /** Default: true, unless `suid`. */
  nosuid?: boolean
  /** Default: true, unless `dev`. */
  nodev?: boolean
  /** Needs root. */
  suid?: boolean
  /** Needs root. */
  dev?: boolean
  noexec?: boolean
  noatime?: boolean
  nodiratime?: boolean
  /** Needs root. */
  relatime?: boolean
  /** Needs root. */
  strictatime?: boolean
  sync?: boolean
  dirsync?: boolean
}

export interface DeviceOptions {
  /** A directory (or a file, see `rootMode`), or '/dev/fd/N' for a descriptor that someone has mounted already. */
  mountpoint: string
  /** The source that mount(8) and df(1) show. Default: `subtype`, else 'fuse'. */
  fsname?: string
  /** The file system type becomes 'fuse.<subtype>'. Letters, digits and '_.+-'. */
  subtype?: string
  readOnly?: boolean
  /** Users other than the one who mounts may enter; unprivileged, /etc/fuse.conf must permit it. For allow_root too, which the session enforces. */
  allowOther?: boolean
  /** The kernel checks modes and owners. */
  defaultPermissions?: boolean
  /** Bytes of one READ at most; the kernel raises less than 4096 to that. */
  maxRead?: number
  mountFlags?: MountFlags
  /** The root's type (S_IFMT bits), which the mount point must have too. Default: S_IFDIR. */
  rootMode?: number
  /** The way to mount. Default: the first that this process may use. */
  how?: 'fsopen' | 'mount' | 'fusermount3'
}

/** Options with their defaults, checked. */
export interface MountSettings {
  fsname: string
  subtype: string | undefined
  readOnly: boolean
  allowOther: boolean
  defaultPermissions: boolean
  maxRead: number | undefined
  flags: ReadonlySet<FlagName>
  rootType: number
}

interface Flag {
  /** MS_* of mount(2). */
  mount: number
  /** MOUNT_ATTR_* of fsmount(2) (linux/mount.h). */
  attribute?: number
  /** A flag of the file system, for fsconfig(2). */
  parameter?: string
  /** fusermount3 has no such flag. */
  direct?: boolean
}

const flagTable = {
  nosuid: { mount: constants.MS_NOSUID, attribute: 0x2 },
  nodev: { mount: constants.MS_NODEV, attribute: 0x4 },
  noexec: { mount: constants.MS_NOEXEC, attribute: 0x8 },
  noatime: { mount: constants.MS_NOATIME, attribute: 0x10 },
  nodiratime: { mount: constants.MS_NODIRATIME, attribute: 0x80 },
  relatime: { mount: constants.MS_RELATIME, attribute: 0, direct: true },
  strictatime: { mount: constants.MS_STRICTATIME, attribute: 0x20, direct: true },
  sync: { mount: constants.MS_SYNCHRONOUS, parameter: 'sync' },
  dirsync: { mount: constants.MS_DIRSYNC, parameter: 'dirsync' },
} satisfies Record<string, Flag>
type FlagName = keyof typeof flagTable
const flagEntries = Object.entries(flagTable) as [FlagName, Flag][]

const MOUNT_ATTR_RDONLY = 0x1

/**
 * Checks options and fills in defaults.
 * @throws FuseError FUSE_OPTION
 */
export function resolveOptions(options: DeviceOptions): MountSettings {
  const { subtype, maxRead } = options
  const fsname = options.fsname ?? subtype ?? 'fuse'
  if (fsname === '' || fsname.includes('\0') || Buffer.byteLength(fsname) > 4000) {
    throw new FuseError('FUSE_OPTION', 'fsname must have 1 to 4000 bytes, none of them NUL')
  }
  if (subtype !== undefined && !/^[\w.+-]{1,255}$/.test(subtype)) {
    throw new FuseError('FUSE_OPTION', `subtype '${subtype}' must consist of letters, digits and '_.+-'`)
  }
  if (maxRead !== undefined && (!Number.isInteger(maxRead) || maxRead < 1 || maxRead > 0xffffffff)) {
    throw new FuseError('FUSE_OPTION', `max_read ${maxRead} must be a whole number of bytes below 2^32`)
  }
  const rootType = (options.rootMode ?? constants.S_IFDIR) & constants.S_IFMT
  if (rootType !== constants.S_IFDIR && rootType !== constants.S_IFREG) {
    throw new FuseError('FUSE_OPTION', 'the root must be a directory or a regular file')
  }
  return {
    fsname,
    subtype,
    readOnly: options.readOnly ?? false,
    allowOther: options.allowOther ?? false,
    defaultPermissions: options.defaultPermissions ?? false,
    maxRead,
    flags: resolveFlags(options.mountFlags ?? {}),
    rootType,
  }
}

function resolveFlags(given: MountFlags): Set<FlagName> {
  const chosen = new Set<FlagName>()
  for (const [name] of flagEntries) if (given[name]) chosen.add(name)
  for (const name of ['suid', 'dev'] as const) {
    const negation = `no${name}` as const
    if (given[name] && given[negation]) {
      throw new FuseError('FUSE_OPTION', `${name} and ${negation} exclude each other`)
    }
    if (!given[name] && given[negation] !== false) chosen.add(negation)
  }
  return chosen
}

/** mount(2): flags and data. The source is an argument of its own and needs no escapes. */
export function forMount(settings: MountSettings, fd: number): { flags: number; data: string } {
  let flags = settings.readOnly ? constants.MS_RDONLY : 0
  for (const [name, flag] of flagEntries) if (settings.flags.has(name)) flags |= flag.mount
  const { strings, flags: parameters } = fuseParameters(settings, fd)
  return { flags, data: [...strings.map(([key, value]) => `${key}=${value}`), ...parameters].join(',') }
}

/** fsconfig(2): strings and flags in the order to set them; fsmount(2): attributes. */
export function forFsconfig(
  settings: MountSettings,
  fd: number,
): { strings: [string, string][]; flags: string[]; attributes: number } {
  const { strings, flags } = fuseParameters(settings, fd)
  strings.push(['source', settings.fsname])
  if (settings.subtype) strings.push(['subtype', settings.subtype])
  let attributes = 0
  if (settings.readOnly) {
    flags.push('ro')
    attributes |= MOUNT_ATTR_RDONLY
  }
  for (const [name, flag] of flagEntries) {
    if (!settings.flags.has(name)) continue
    if (flag.parameter) flags.push(flag.parameter)
    attributes |= flag.attribute ?? 0
  }
  return { strings, flags, attributes }
}

/** What the kernel's fuse type takes by either way of mounting. */
function fuseParameters(
  settings: MountSettings,
  fd: number,
): { strings: [string, string][]; flags: string[] } {
  const strings: [string, string][] = [
    ['fd', String(fd)],
    ['rootmode', settings.rootType.toString(8)],
    ['user_id', String(process.getuid?.())],
    ['group_id', String(process.getgid?.())],
  ]
  if (settings.maxRead !== undefined) strings.push(['max_read', String(settings.maxRead)])
  const flags: string[] = []
  if (settings.allowOther) flags.push('allow_other')
  if (settings.defaultPermissions) flags.push('default_permissions')
  return { strings, flags }
}

/**
 * fusermount3's -o. It takes the root's type from the mount point, and a backslash before what is no separator.
 * @throws FuseError FUSE_OPTION for a flag that an unprivileged user may not set
 */
export function forFusermount(settings: MountSettings): string {
  const parts = [settings.readOnly ? 'ro' : 'rw']
  for (const name of ['nosuid', 'nodev'] as const) {
    if (!settings.flags.has(name)) throw new FuseError('FUSE_OPTION', `${name.slice(2)} needs root`)
  }
  for (const [name, flag] of flagEntries) {
    if (!settings.flags.has(name)) continue
    if (flag.direct) throw new FuseError('FUSE_OPTION', `${name} needs root`)
    parts.push(name)
  }
  if (settings.allowOther) parts.push('allow_other')
  if (settings.defaultPermissions) parts.push('default_permissions')
  if (settings.maxRead !== undefined) parts.push(`max_read=${settings.maxRead}`)
  parts.push(`fsname=${settings.fsname.replace(/[\\,]/g, '\\$&')}`)
  if (settings.subtype) parts.push(`subtype=${settings.subtype}`)
  return parts.join(',')
}
