export interface ProcessFacts {
  residentBytes: number
  /** In use by JavaScript. */
  heapBytes: number
  /** User and system. */
  cpuSeconds: number
}

/** What this process costs. */
export function processFacts(): ProcessFacts {
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return { residentBytes: rss, heapBytes: heapUsed, cpuSeconds: (user + system) / 1e6 }
}
