const BLOCK = 1 << 18

type Load = (start: number, length: number, signal: AbortSignal) => Promise<Uint8Array>

/** A block that is there or on its way. It is given up when all who waited for it have been interrupted. */
interface Block {
  bytes: Promise<Uint8Array>
  controller: AbortController
  waiting: number
  loaded: boolean
}

/** Keeps blocks of files, the least recently used going first. What several readers want at once is loaded once. */
export class BlockCache {
  readonly #blocks = new Map<string, Block>()
  readonly #maximum: number

  constructor(bytes: number) {
    this.#maximum = Math.max(1, Math.floor(bytes / BLOCK))
  }

  /** Bytes `start` to `end` of the file called `key`; `load` gets a block of it, shorter at the end of the file. */
  async read(key: string, start: number, end: number, signal: AbortSignal, load: Load): Promise<Buffer> {
    const parts: Promise<Uint8Array>[] = []
    const first = Math.floor(start / BLOCK)
    for (let index = first; index * BLOCK < end; index++)
      parts.push(this.#wait(this.#block(`${index} ${key}`, index * BLOCK, load), signal))
    const bytes = Buffer.concat(await Promise.all(parts))
    return bytes.subarray(start - first * BLOCK, end - first * BLOCK)
  }

  #block(key: string, start: number, load: Load): Block {
    let block = this.#blocks.get(key)
    // The order of a Map is that of insertion: what is used moves to the end.
    this.#blocks.delete(key)
    if (!block || (!block.loaded && block.controller.signal.aborted)) {
      const controller = new AbortController()
      const bytes = load(start, BLOCK, controller.signal)
      const made: Block = { bytes, controller, waiting: 0, loaded: false }
      bytes.then(
        () => {
          made.loaded = true
        },
        () => {
          if (this.#blocks.get(key) === made) this.#blocks.delete(key)
        },
      )
      block = made
    }
    this.#blocks.set(key, block)
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= this.#maximum) break
      this.#blocks.delete(oldest)
    }
    return block
  }

  async #wait(block: Block, signal: AbortSignal): Promise<Uint8Array> {
    if (block.loaded) return block.bytes
    block.waiting++
    let interrupt = () => {}
    const interrupted = new Promise<never>((_, reject) => {
      interrupt = () => reject(signal.reason)
      signal.addEventListener('abort', interrupt)
      if (signal.aborted) interrupt()
    })
    try {
      return await Promise.race([block.bytes, interrupted])
    } finally {
      signal.removeEventListener('abort', interrupt)
      if (--block.waiting === 0 && !block.loaded) block.controller.abort()
    }
  }
}
