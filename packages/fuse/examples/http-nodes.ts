import {
  Directory,
  type ErrnoName,
  errno,
  File,
  FilesystemError,
  type Inode,
  type Request,
} from '@hawser/fuse'
import type { BlockCache } from './block-cache.js'

/** Milliseconds for which a directory's listing is kept. */
const LISTING_AGE = 5000

/** A page of links, as web servers make for directories: links that end in '/' are directories too. */
export class HttpDirectory extends Directory {
  readonly #url: URL
  readonly #cache: BlockCache
  #listed = 0

  constructor(url: URL, cache: BlockCache) {
    super()
    this.#url = url
    this.#cache = cache
  }

  override async readdir(request: Request) {
    await this.#list(request.signal)
    return super.readdir(request)
  }

  override async lookup(name: string, request: Request): Promise<Inode | undefined> {
    await this.#list(request.signal)
    return this.children.get(name)
  }

  /** Brings the children up to date. Those that are still there stay the objects they are. */
  async #list(signal: AbortSignal): Promise<void> {
    if (Date.now() - this.#listed < LISTING_AGE) return
    const response = await ask(this.#url, { signal })
    const page = await response.text()
    const names = new Set<string>()
    for (const [, , href] of page.matchAll(/<a\s[^>]*?href=(["'])(.*?)\1/gi)) {
      const url = new URL(href.replaceAll('&amp;', '&'), this.#url)
      const name = this.#nameOf(url)
      if (name === undefined) continue
      const directory = url.pathname.endsWith('/')
      names.add(name)
      if (this.children.get(name)?.isDirectory === directory) continue
      this.add(name, directory ? new HttpDirectory(url, this.#cache) : new HttpFile(url, this.#cache))
    }
    for (const name of [...this.children.keys()]) if (!names.has(name)) this.remove(name)
    this.#listed = Date.now()
  }

  /** The name of what lies right in this directory; undefined for other links (sort orders, the parent). */
  #nameOf({ origin, pathname, search }: URL): string | undefined {
    if (origin !== this.#url.origin || search !== '' || !pathname.startsWith(this.#url.pathname))
      return undefined
    const rest = pathname.slice(this.#url.pathname.length).replace(/\/$/, '')
    if (rest === '' || rest.includes('/')) return undefined
    try {
      const name = decodeURIComponent(rest)
      return name === '.' || name === '..' || /[/\0]/.test(name) ? undefined : name
    } catch {
      return undefined
    }
  }
}

class HttpFile extends File {
  readonly #url: URL
  readonly #cache: BlockCache
  /** Tells versions of the file apart. */
  #version = ''

  constructor(url: URL, cache: BlockCache) {
    super()
    this.#url = url
    this.#cache = cache
  }

  /** Asked with each lookup, and when what the kernel knows has expired. */
  override async getattr(request: Request): Promise<this> {
    const { headers } = await ask(this.#url, { method: 'HEAD', signal: request.signal })
    const size = Number(headers.get('content-length') ?? Number.NaN)
    if (!Number.isSafeInteger(size)) throw new FilesystemError('EIO', `${this.#url} has no length`)
    const modified = new Date(headers.get('last-modified') ?? 0)
    this.size = size
    if (!Number.isNaN(modified.getTime())) this.mtime = modified
    this.ctime = this.mtime
    this.#version = versionOf(headers)
    return this
  }

  override async read(offset: number, size: number, _handle: unknown, request: Request): Promise<Buffer> {
    const end = Math.min(offset + size, this.size)
    const version = this.#version
    const load = (start: number, length: number, signal: AbortSignal) =>
      this.#load(version, start, Math.min(length, this.size - start), signal)
    return this.#cache.read(`${version} ${this.#url}`, offset, end, request.signal, load)
  }

  async #load(version: string, start: number, length: number, signal: AbortSignal): Promise<Uint8Array> {
    const range = `bytes=${start}-${start + length - 1}`
    const response = await ask(this.#url, { headers: { range }, signal })
    if (versionOf(response.headers) !== version) {
      await response.body?.cancel()
      throw new FilesystemError('ESTALE', `${this.#url} was replaced while it was read`)
    }
    if (response.status !== 206) {
      await response.body?.cancel()
      throw new FilesystemError('EOPNOTSUPP', `${this.#url}: the server knows no Range`)
    }
    const bytes = new Uint8Array(await response.arrayBuffer())
    if (bytes.length !== length)
      throw new FilesystemError('EIO', `${this.#url}: ${bytes.length} bytes came, not ${length}`)
    return bytes
  }
}

function versionOf(headers: Headers): string {
  return headers.get('etag') ?? headers.get('last-modified') ?? ''
}

const statusErrors: Record<number, ErrnoName> = { 401: 'EACCES', 403: 'EACCES', 404: 'ENOENT', 410: 'ENOENT' }

/** fetch, with failures as errnos. An abort passes: the session answers it with EINTR. */
async function ask(url: URL, init: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, init)
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error
    const { code = '' } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException
    throw new FilesystemError(code in errno ? (code as ErrnoName) : 'EIO', `${url}: ${code || error}`)
  }
  if (response.ok) return response
  await response.body?.cancel()
  throw new FilesystemError(statusErrors[response.status] ?? 'EIO', `${url}: HTTP status ${response.status}`)
}
