// Devices: how a /dev/fuse descriptor is had, mounted, found and given up. Nothing here waits on the event loop.
export { abortConnection } from './connections.js'
export { cloneDevice, receiveDevice, sendDevice } from './descriptors.js'
export { type Device, type DeviceState, openDevice } from './mount.js'
export type { DeviceOptions, MountFlags } from './mount-options.js'
export { connectionOf, findMount, isFuse, type MountEntry, readMounts } from './mountinfo.js'
export { type MountState, probeMount, recoverDeadMount } from './probe.js'
export { type UnmountMode, unmountAt } from './unmount.js'
