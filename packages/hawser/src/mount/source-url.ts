import { resolve } from 'node:path'

/** What a source URL names. */
export interface SourceUrl {
  kind: 'directory'
  /** Absolute. */
  path: string
}

/** A source that cannot be served as given; the message is one line for the user. */
export class SourceError extends Error {
  override readonly name = 'SourceError'
  readonly code = 'HAWSER_SOURCE'
}

/**
 * Parses `/path`, `path` and `dir:/path`. A kind of source that speaks TLS needs NODE_EXTRA_CA_CERTS, which daemon/spawn.ts
 * keeps from the background process.
 */
export function parseSource(source: string): SourceUrl {
  if (source === '') throw new SourceError('the source is empty: give a directory')
  const scheme = /^([a-z][a-z0-9+.-]*):/.exec(source)?.[1]
  if (scheme === undefined) return { kind: 'directory', path: resolve(source) }
  if (scheme !== 'dir')
    throw new SourceError(
      `cannot mount ${source}: unknown kind of source '${scheme}:' (a directory is /path or dir:/path)`,
    )
  const path = source.slice('dir:'.length)
  if (path === '') throw new SourceError('dir: needs a path, as in dir:/srv/data')
  return { kind: 'directory', path: resolve(path) }
}
