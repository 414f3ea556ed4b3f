import { readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { errno, type FilesystemError, mount, type UnmountMode } from '@hawser/fuse'
import { openPassthrough, type PassthroughSource } from '../sources/passthrough/index.js'
import { parseSource, SourceError } from './source-url.js'
import type { MountOptions, MountRequest, MountStatistics, RunningMount } from './types.js'

/** Mounts a source; the composition root. Throws with one line that says what failed and why. */
export async function startMount(request: MountRequest): Promise<RunningMount> {
  const { options, log, mountpoint } = request
  const url = parseSource(request.source)
  const privileged = process.geteuid?.() === 0
  const descriptor = mountpoint.startsWith('/dev/fd/')
  // Whoever mounted a descriptor has chosen whether the kernel checks permissions; with ACLs it does so in any case.
  const acl = options.acl || (descriptor && privileged && options.allowOther)
  const source = open(url.path, { ...request, options: { ...options, acl } })
  if (!source.operations.resolver.root.isolated && !descriptor) refuseInside(url.path, mountpoint)
  const mounted = await mount(source.filesystem, mountpoint, {
    fsname: options.fsname ?? request.source,
    subtype: options.subtype,
    readOnly: options.ro,
    allowOther: options.allowOther,
    allowRoot: options.allowRoot,
    // Root serves every user with its own privilege: only the kernel's check stands between them and the files.
    defaultPermissions: options.defaultPermissions || (privileged && options.allowOther),
    maxRead: options.maxRead,
    mountFlags: Object.fromEntries((request.flags ?? []).map((flag) => [flag, true])),
    features: source.features,
    linger: true,
    log,
    access:
      descriptor && !options.allowOther
        ? { uid: process.geteuid?.() ?? 0, allowRoot: options.allowRoot }
        : undefined,
  })
  return {
    source: request.source,
    mountpoint: mounted.mountpoint,
    engine: mounted.session.engine,
    connection: mounted.device.connection(),
    options,
    closed: mounted.closed,
    state: () => mounted.device.state(),
    unmount: (mode: UnmountMode) => mounted.unmount(mode),
    statistics: (): MountStatistics => ({
      operations: mounted.session.statistics.snapshot(),
      inFlight: mounted.session.inFlight,
      nodes: source.filesystem.nodeCount,
      handles: source.filesystem.handleCount,
      kernelPassthrough: source.operations.kernelFiles,
      stalls: mounted.session.stalls,
      invalidations: source.operations.invalidations,
    }),
  }
}

function open(directory: string, request: MountRequest): PassthroughSource {
  const { options } = request
  try {
    return openPassthrough({
      directory,
      cache: options.cache,
      readOnly: options.ro,
      kernelPassthrough: options.passthrough === 'auto',
      forwardLocks: options.locks === 'source',
      submounts: options.submounts,
      watch: options.watch,
      xattr: options.xattr,
      acl: options.acl,
      uid: options.uid,
      gid: options.gid,
      umask: options.umask,
    })
  } catch (error) {
    const { errno: code } = error as FilesystemError
    const why =
      code === errno.ENOENT
        ? 'no such directory'
        : code === errno.ENOTDIR
          ? 'not a directory'
          : code === errno.EACCES
            ? 'permission denied'
            : (error as Error).message
    throw new SourceError(`cannot open the source ${directory}: ${why}`)
  }
}

/** Without a mount of our own on the source, walking it would lead into our own mount, where the server waits for itself. */
function refuseInside(source: string, mountpoint: string): void {
  const path = relative(realpathSync(source), withoutSymlinks(mountpoint))
  if (path !== '' && !path.startsWith('..') && !isAbsolute(path))
    throw new SourceError(
      `${mountpoint} lies inside the source ${source}: mount it elsewhere (root may mount it there)`,
    )
}

/** The real path of a mount point; what is mounted there is not asked, since it may hang. */
function withoutSymlinks(path: string): string {
  try {
    return realpathSync(resolve(dirname(path), readlinkSync(path)))
  } catch {
    // No symlink.
  }
  try {
    return join(realpathSync(dirname(path)), basename(path))
  } catch {
    return resolve(path)
  }
}

export type { MountOptions, MountRequest, RunningMount }
