// Names on the wire are bytes, mostly UTF-8. As strings, bytes that are no UTF-8 become lone surrogates U+DC80 … U+DCFF,
// so that every name survives a round trip (the scheme of Python's PEP 383).
import { isUtf8 } from 'node:buffer'

/** Decodes a name; `encodeName` gives the same bytes back. */
export function decodeName(bytes: Uint8Array, start = 0, end = bytes.length): string {
  // Nearly every name is ASCII, and this costs half of what the checks below do.
  let ascii = start
  while (ascii < end && bytes[ascii] < 0x80) ascii++
  if (ascii === end && bytes instanceof Buffer) return bytes.toString('latin1', start, end)
  const view = Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset + start, end - start)
  if (isUtf8(view)) return view.toString()
  let text = ''
  // Whole runs of UTF-8 are decoded at once; `from` is where the run at hand begins.
  let from = 0
  for (let at = 0; at < view.length; ) {
    const length = sequenceLength(view, at)
    if (length === 0) {
      text += view.toString('utf8', from, at) + String.fromCharCode(0xdc00 + view[at])
      from = at + 1
    }
    at += length || 1
  }
  return text + view.toString('utf8', from)
}

/** The length of the well-formed UTF-8 sequence at `at`; 0 where there is none (Unicode, table 3-7). */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]
  if (first < 0x80) return 1
  if (first < 0xc2 || first > 0xf4) return 0
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  if (at + length > bytes.length) return 0
  // Overlong forms, surrogates and what lies above U+10FFFF are told by the second byte.
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
  if (bytes[at + 1] < low || bytes[at + 1] > high) return 0
  for (let next = 2; next < length; next++) if ((bytes[at + next] & 0xc0) !== 0x80) return 0
  return length
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
