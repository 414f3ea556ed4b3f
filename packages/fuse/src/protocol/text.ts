// Names on the wire are bytes, mostly UTF-8. As strings, bytes that are no UTF-8 become lone surrogates U+DC80 … U+DCFF,
// so that every name survives a round trip (the scheme of Python's PEP 383).

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes a name; `encodeName` gives the same bytes back. */
export function decodeName(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const view = bytes.subarray(start, end)
  try {
    return strict.decode(view)
  } catch {
    let text = ''
    for (let at = 0; at < view.length; ) {
      const length = sequenceLength(view, at)
      if (length === 0) text += String.fromCharCode(0xdc00 + view[at++])
      else {
        text += strict.decode(view.subarray(at, at + length))
        at += length
      }
    }
    return text
  }
}

/** The length of the well-formed UTF-8 sequence at `at`; 0 where there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]
  const length =
    first < 0x80
      ? 1
      : first >= 0xc2 && first < 0xe0
        ? 2
        : first >= 0xe0 && first < 0xf0
          ? 3
          : first >= 0xf0 && first < 0xf5
            ? 4
            : 0
  if (length === 0 || at + length > bytes.length) return 0
  try {
    strict.decode(bytes.subarray(at, at + length))
    return length
  } catch {
    return 0
  }
}

/** Encodes a name as bytes. */
export function encodeName(name: string): Buffer {
  if (!/[\udc80-\udcff]/.test(name)) return Buffer.from(name)
  const parts: Buffer[] = []
  let plain = ''
  for (const character of name) {
    const code = character.codePointAt(0) as number
    if (code >= 0xdc80 && code <= 0xdcff) {
      parts.push(Buffer.from(plain), Buffer.of(code - 0xdc00))
      plain = ''
    } else plain += character
  }
  parts.push(Buffer.from(plain))
  return Buffer.concat(parts)
}
