import { errnoName, native } from '@hawser/fuse'
import type { KernelFlag } from '../mount/options.js'
import type { Log } from '../mount/types.js'

// From linux/mount.h.
const attributes: Readonly<Record<KernelFlag, number>> = {
  nosuid: 0x2,
  nodev: 0x4,
  noexec: 0x8,
  noatime: 0x10,
}
const ATIME_MASK = 0x70
const STRUCTURE_BYTES = 32
const ATTRIBUTES_CLEARED = 8

/**
 * Adds restrictions to a mount. Looking up the mount point ends at the mount's root without a request to the
 * file system, so that the process that serves it may do this.
 */
export function setKernelFlags(mountpoint: string, flags: readonly KernelFlag[], log: Log): void {
  const unable = (why: string) => log('warn', `${flags.join(', ')} not set on ${mountpoint}: ${why}`)
  if (mountpoint.startsWith('/dev/fd/')) {
    unable('whoever mounted it decides')
    return
  }
  // fusermount3 sets these two itself; only root may add others afterwards.
  if (process.geteuid!() !== 0 && flags.every((flag) => flag === 'nosuid' || flag === 'nodev')) return
  const set = flags.reduce((sum, flag) => sum | attributes[flag], 0)
  const structure = new DataView(new ArrayBuffer(STRUCTURE_BYTES))
  structure.setUint32(0, set, true)
  if ((set & attributes.noatime) !== 0) structure.setUint32(ATTRIBUTES_CLEARED, ATIME_MASK, true)
  const path = Buffer.from(`${mountpoint}\0`)
  const result = native.syscall(
    native.sys.mount_setattr,
    native.constants.AT_FDCWD,
    native.address(path),
    0,
    native.address(new Uint8Array(structure.buffer)),
    STRUCTURE_BYTES,
  )
  if (result < 0) unable(errnoName(-result))
}
