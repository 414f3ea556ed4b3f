/** The channel between processes turns a Buffer into a Uint8Array when it is the message's own value. */
export function revive(value: unknown): unknown {
  return value instanceof Uint8Array && !Buffer.isBuffer(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : value
}
