const PAGE = 4096

/** Bytes of a file in pages; a page that was never written is a hole, and takes no memory. */
export class SparseBytes {
  static readonly pageSize = PAGE
  readonly #pages = new Map<number, Buffer>()

  get pages(): number {
    return this.#pages.size
  }

  read(offset: number, length: number): Buffer {
    const result = Buffer.alloc(length)
    this.#each(offset, length, (index, start, end, at) => {
      this.#pages.get(index)?.copy(result, at, start, end)
    })
    return result
  }

  write(offset: number, data: Uint8Array): void {
    this.#each(offset, data.length, (index, start, end, at) => {
      this.#page(index).set(data.subarray(at, at + end - start), start)
    })
  }

  /** Makes a range zeros: whole pages of it become holes. */
  clear(offset: number, length: number): void {
    // As many pages as a range may span, and as few as are there.
    for (const [index, page] of this.#pages) {
      const start = Math.max(offset, index * PAGE)
      const end = Math.min(offset + length, (index + 1) * PAGE)
      if (end - start === PAGE) this.#pages.delete(index)
      else if (start < end) page.fill(0, start - index * PAGE, end - index * PAGE)
    }
  }
  truncate(size: number): void {
    this.clear(size, Number.POSITIVE_INFINITY)
  }

  /** Makes pages for a range, so that writing there cannot fail. */
  allocate(offset: number, length: number): void {
    this.#each(offset, length, (index) => this.#page(index))
  }
  /** How many pages a range still needs. */
  missingPages(offset: number, length: number): number {
    let missing = 0
    this.#each(offset, length, (index) => {
      if (!this.#pages.has(index)) missing++
    })
    return missing
  }

  /** The first hole from `offset` on. */
  nextHole(offset: number): number {
    let index = Math.floor(offset / PAGE)
    if (!this.#pages.has(index)) return offset
    while (this.#pages.has(index)) index++
    return index * PAGE
  }
  /** The first data from `offset` on; undefined: there is none. */
  nextData(offset: number): number | undefined {
    const from = Math.floor(offset / PAGE)
    if (this.#pages.has(from)) return offset
    let next = Number.POSITIVE_INFINITY
    for (const index of this.#pages.keys()) if (index > from && index < next) next = index
    return next === Number.POSITIVE_INFINITY ? undefined : next * PAGE
  }

  #page(index: number): Buffer {
    let page = this.#pages.get(index)
    if (!page) {
      page = Buffer.alloc(PAGE)
      this.#pages.set(index, page)
    }
    return page
  }
  /** Visits the pages of a range: which one, the part of it, and where that lies in the range. */
  #each(
    offset: number,
    length: number,
    visit: (index: number, start: number, end: number, at: number) => void,
  ): void {
    for (let at = 0; at < length; ) {
      const index = Math.floor((offset + at) / PAGE)
      const start = offset + at - index * PAGE
      const end = Math.min(PAGE, start + length - at)
      visit(index, start, end, at)
      at += end - start
    }
  }
}
