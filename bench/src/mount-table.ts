import { readFileSync } from 'node:fs'

export interface MountEntry {
  /** The device number as the kernel's tracing prints it: for a FUSE mount, the connection's number. */
  device: number
  mountPoint: string
  type: string
}

export function parseMountTable(text: string): MountEntry[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const fields = line.split(' ')
      const [major, minor] = fields[2].split(':').map(Number)
      // Optional fields of any number end with a lone dash.
      return {
        device: major * 2 ** 20 + minor,
        mountPoint: decodeOctal(fields[4]),
        type: fields[fields.indexOf('-') + 1],
      }
    })
}

function decodeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

export function mountAt(mountPoint: string): MountEntry | undefined {
  // The last one wins: it covers the others.
  return mountTable().findLast((entry) => entry.mountPoint === mountPoint)
}

export function mountTable(): MountEntry[] {
  return parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'))
}
