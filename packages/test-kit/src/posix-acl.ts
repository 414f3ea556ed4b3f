/** POSIX ACLs in the binary form of the system.posix_acl_* attributes, version 2. */

const tags: Record<string, number> = { u: 0x01, U: 0x02, g: 0x04, G: 0x08, m: 0x10, o: 0x20 }
const undefinedId = 0xffffffff

/**
 * Builds the attribute's value from text such as 'u::rw-,u:64001:r--,g::r--,g:64100:rwx,m::rwx,o::---'. The kernel demands
 * the entries in the order of their tags, and named ones in the order of their ids: so does this text.
 */
export function acl(text: string): Buffer {
  const entries = text.split(',')
  const buffer = Buffer.alloc(4 + entries.length * 8)
  buffer.writeUInt32LE(2, 0)
  entries.forEach((entry, index) => {
    const [letter, id, bits] = entry.split(':')
    const named = id !== ''
    const at = 4 + index * 8
    buffer.writeUInt16LE(tags[named ? letter.toUpperCase() : letter], at)
    const permissions =
      (bits.includes('r') ? 4 : 0) | (bits.includes('w') ? 2 : 0) | (bits.includes('x') ? 1 : 0)
    buffer.writeUInt16LE(permissions, at + 2)
    buffer.writeUInt32LE(named ? Number(id) : undefinedId, at + 4)
  })
  return buffer
}

/** The text of an attribute's value, in the form that acl() takes. */
export function aclText(value: Buffer): string {
  const entries: string[] = []
  for (let at = 4; at + 8 <= value.length; at += 8) {
    const letter = Object.keys(tags).find((key) => tags[key] === value.readUInt16LE(at))!
    const bits = value.readUInt16LE(at + 2)
    const id = value.readUInt32LE(at + 4)
    const permissions = `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${bits & 1 ? 'x' : '-'}`
    entries.push(`${letter.toLowerCase()}:${id === undefinedId ? '' : id}:${permissions}`)
  }
  return entries.join(',')
}
