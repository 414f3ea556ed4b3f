/** Nanoseconds of looking: longer than a caller on another CPU of a virtual machine takes to wake up and ask again. */
const LINGER = 60_000
/** Turns that found nothing further before looking is given up for a while. */
const PATIENCE = 2
/** Turns without looking, at first and at most; doubled each time that looking did not pay. */
const REST_MIN = 16
const REST_MAX = 1024

/**
 * Whether to look for the next request for a while before going to sleep. A caller on another CPU who asks for one thing after
 * another finds the server asleep each time, and waking it takes ten to twenty times as long as answering. While callers come
 * back soon, waiting for them awake halves their round trips. Where they do not, or share this CPU (then they run before
 * the server looks), nothing is lost but the few tries that show it.
 */
export class Lingering {
  #misses = 0
  #rest = 0
  #length = REST_MIN

  /** A turn answered `requests` until there were no more. Returns for how many nanoseconds the next one should look. */
  after(requests: number): number {
    if (this.#rest > 0) {
      this.#rest--
      return this.#rest === 0 ? LINGER : 0
    }
    if (requests > 1) {
      this.#misses = 0
      this.#length = REST_MIN
      return LINGER
    }
    if (++this.#misses < PATIENCE) return LINGER
    this.#misses = 0
    this.#rest = this.#length
    this.#length = Math.min(REST_MAX, this.#length * 2)
    return 0
  }
}
