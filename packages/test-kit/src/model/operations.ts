/** The operations of the model checker: plain JSON, so that a sequence can be printed and replayed. */

export type OpenFlag =
  | 'RDONLY'
  | 'WRONLY'
  | 'RDWR'
  | 'CREAT'
  | 'EXCL'
  | 'TRUNC'
  | 'APPEND'
  | 'NOFOLLOW'
  | 'DIRECTORY'
  | 'TMPFILE'
  | 'PATH'

/** Paths are relative to the tree; a slot is the place of an open file, the same on both sides. */
export type Operation =
  | { op: 'open'; slot: number; path: string; flags: OpenFlag[]; mode: number }
  | { op: 'close'; slot: number }
  | { op: 'read'; slot: number; offset: number; length: number }
  | { op: 'write'; slot: number; offset: number; length: number; seed: number }
  | { op: 'readNext'; slot: number; length: number }
  | { op: 'writeNext'; slot: number; length: number; seed: number }
  | { op: 'seek'; slot: number; offset: number; whence: 'SET' | 'CUR' | 'END' }
  | { op: 'seekData'; slot: number; offset: number; whence: 'DATA' | 'HOLE' }
  | { op: 'ftruncate'; slot: number; size: number }
  | { op: 'truncate'; path: string; size: number }
  | {
      op: 'fallocate'
      slot: number
      mode: 'extend' | 'keep' | 'punch' | 'zero'
      offset: number
      length: number
    }
  | { op: 'copyRange'; from: number; to: number; fromOffset: number; toOffset: number; length: number }
  | { op: 'mapRead'; slot: number; offset: number; length: number }
  | { op: 'mapWrite'; slot: number; offset: number; length: number; seed: number }
  | { op: 'fsync'; slot: number; dataOnly: boolean }
  | { op: 'fstat'; slot: number }
  | { op: 'fchmod'; slot: number; mode: number }
  | { op: 'linkSlot'; slot: number; path: string }
  | { op: 'stat'; path: string; follow: boolean }
  | { op: 'list'; path: string }
  | { op: 'mkdir'; path: string; mode: number }
  | { op: 'mkfifo'; path: string; mode: number }
  | { op: 'rmdir'; path: string }
  | { op: 'unlink'; path: string }
  | { op: 'rename'; from: string; to: string; flag: 'NONE' | 'NOREPLACE' | 'EXCHANGE' }
  | { op: 'link'; from: string; to: string }
  | { op: 'symlink'; target: string; path: string }
  | { op: 'readlink'; path: string }
  | { op: 'chmod'; path: string; mode: number }
  | { op: 'utimens'; path: string; atime: number | 'omit'; mtime: number | 'omit' }
  | {
      op: 'setxattr'
      path: string
      name: string
      length: number
      seed: number
      flag: 'NONE' | 'CREATE' | 'REPLACE'
    }
  | { op: 'getxattr'; path: string; name: string }
  | { op: 'listxattr'; path: string }
  | { op: 'removexattr'; path: string; name: string }
  | { op: 'contents'; path: string }

export type OperationName = Operation['op']
