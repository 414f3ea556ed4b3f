import type { MountOptions } from './types.js'

/** How the text of an option is read. */
export type OptionKind =
  | { type: 'boolean' }
  | { type: 'choice'; values: readonly string[] }
  | { type: 'integer'; minimum: number; maximum: number; unit?: string }
  /** Bytes, with an optional K, M or G (powers of 1024). */
  | { type: 'size'; minimum: number; maximum: number }
  | { type: 'octal'; maximum: number }
  | { type: 'text'; placeholder: string; pattern?: RegExp; rule?: string }

export interface MountOptionRow {
  /** As written after -o; its environment twin is HAWSER_ and the name in capitals. */
  name: string
  property: keyof MountOptions
  kind: OptionKind
  /** Undefined: the explanation says what happens. */
  default: MountOptions[keyof MountOptions]
  explanation: string
  /** When setting it is unsafe or surprising. */
  caution?: string
}

const boolean = { type: 'boolean' } as const
const identity = { type: 'integer', minimum: 0, maximum: 0xffff_fffe } as const

/** Every option of a mount: what parses them, what `--help` prints and what docs/cli.md repeats. */
export const mountOptionTable: readonly MountOptionRow[] = [
  {
    name: 'cache',
    property: 'cache',
    kind: { type: 'choice', values: ['never', 'auto', 'always'] },
    default: 'auto',
    explanation:
      'What the kernel may remember of names, attributes and pages. never: ask for each. auto: for a second, and pages until the file changes. always: until this mount itself changes them.',
    caution: 'without watch, always shows stale data when anything but this mount changes the source.',
  },
  {
    name: 'ro',
    property: 'ro',
    kind: boolean,
    default: false,
    explanation: 'Read only: the kernel and the server both refuse every change.',
  },
  {
    name: 'allow_other',
    property: 'allowOther',
    kind: boolean,
    default: false,
    explanation:
      'Let every user in. As root this turns on default_permissions; otherwise /etc/fuse.conf must say user_allow_other.',
    caution: 'without root, all others act with the rights of the user who mounted.',
  },
  {
    name: 'allow_root',
    property: 'allowRoot',
    kind: boolean,
    default: false,
    explanation: 'Let root in besides the user who mounted. Not together with allow_other.',
    caution: 'caching by the kernel is off, because it would answer third users without asking.',
  },
  {
    name: 'default_permissions',
    property: 'defaultPermissions',
    kind: boolean,
    default: false,
    explanation: 'The kernel checks mode bits and ACLs before it asks. Always on for allow_other as root.',
  },
  {
    name: 'uid',
    property: 'uid',
    kind: identity,
    default: undefined,
    explanation: 'Show every file as owned by this user; default: as it is.',
  },
  {
    name: 'gid',
    property: 'gid',
    kind: identity,
    default: undefined,
    explanation: 'Show every file as owned by this group; default: as it is.',
  },
  {
    name: 'umask',
    property: 'umask',
    kind: { type: 'octal', maximum: 0o777 },
    default: undefined,
    explanation: 'Permission bits taken away from every file, octal; default: none.',
  },
  {
    name: 'fsname',
    property: 'fsname',
    kind: { type: 'text', placeholder: 'NAME' },
    default: undefined,
    explanation: 'The first column of /proc/mounts and df; default: the source.',
  },
  {
    name: 'subtype',
    property: 'subtype',
    kind: {
      type: 'text',
      placeholder: 'NAME',
      pattern: /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}$/,
      rule: 'letters, digits and _ . + -',
    },
    default: 'hawser',
    explanation: 'The type in /proc/mounts is fuse.NAME.',
  },
  {
    name: 'max_read',
    property: 'maxRead',
    kind: { type: 'size', minimum: 4096, maximum: 256 * 1024 * 1024 },
    default: undefined,
    explanation: 'Largest read that the kernel asks for at once; default: its own limit.',
  },
  {
    name: 'passthrough',
    property: 'passthrough',
    kind: { type: 'choice', values: ['auto', 'off'] },
    default: 'auto',
    explanation:
      'auto: the kernel itself reads and writes regular files where it can and we may (Linux 6.9, CAP_SYS_ADMIN). `hawser stats` cannot count those bytes.',
  },
  {
    name: 'locks',
    property: 'locks',
    kind: { type: 'choice', values: ['local', 'source'] },
    default: 'local',
    explanation: 'Where fcntl and flock locks are kept: in this kernel, for this mount, or on the source.',
    caution: 'local does not exclude programs that lock the source directly.',
  },
  {
    name: 'submounts',
    property: 'submounts',
    kind: boolean,
    default: false,
    explanation:
      'Show file systems that are mounted inside the source; otherwise their mount points are empty.',
  },
  {
    name: 'watch',
    property: 'watch',
    kind: boolean,
    default: false,
    explanation:
      'Changes that programs on this machine make beneath the mount are seen at once, whatever cache says (Linux 5.9, root, fanotify; not with submounts). Files are made and removed through the mount up to a quarter slower.',
  },
  {
    name: 'engine',
    property: 'engine',
    kind: { type: 'choice', values: ['auto', 'classic'] },
    default: 'auto',
    explanation:
      'How requests are read from the kernel. classic: /dev/fuse on the event loop. auto: what is fastest here.',
  },
  {
    name: 'xattr',
    property: 'xattr',
    kind: boolean,
    default: true,
    explanation: 'Extended attributes. noxattr: they are not supported, and the kernel stops asking.',
  },
  {
    name: 'acl',
    property: 'acl',
    kind: boolean,
    default: undefined,
    explanation:
      'The kernel enforces POSIX ACLs; default: where it checks permissions (default_permissions) of others than root.',
  },
]

/** Flags of the mount itself, which the kernel keeps. nosuid and nodev are on unless root asks for suid or dev. */
export const kernelFlags = ['nosuid', 'suid', 'nodev', 'dev', 'noexec', 'noatime'] as const
export type KernelFlag = (typeof kernelFlags)[number]

/**
 * Words of /etc/fstab and mount(8) that say nothing to a mount helper, with or without a value. Words that
 * start with x- or X- are ignored too.
 */
export const ignoredWords: ReadonlySet<string> = new Set([
  ...[
    '_netdev',
    '_rnetdev',
    'nofail',
    'fail',
    'auto',
    'noauto',
    'defaults',
    'comment',
    'user',
    'nouser',
    'users',
  ],
  ...['nousers', 'owner', 'noowner', 'group', 'nogroup', 'exec', 'atime', 'diratime', 'nodiratime'],
  ...[
    'relatime',
    'norelatime',
    'strictatime',
    'nostrictatime',
    'lazytime',
    'nolazytime',
    'sync',
    'async',
    'dirsync',
  ],
  ...['mand', 'nomand', 'loud', 'silent', 'iversion', 'noiversion', 'helper', 'uhelper', 'nonempty'],
])
