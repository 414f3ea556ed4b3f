import { constants, native, sys } from '../native.js'

/** A turn of so many requests was no longer one caller's question and answer. */
const BUSY_TURN = 8
/** Turns in a row that served one caller only, after which it is looked for. */
const PATIENCE = 4
/** Such turns before the caller is looked for again. */
const PAUSE = 64
/** Turns in a row that served several callers, after which this thread may run anywhere again. */
const CROWD = 16
/** Bytes of a CPU mask: 8192 CPUs, the kernel's largest. */
const MASK_BYTES = 1024
/** Where /proc/PID/stat has the CPU that the thread ran on last, counted from after the name (proc_pid_stat(5)). */
const PROCESSOR = 37

/**
 * Keeps the serving thread on the CPU of a caller who asks for one thing after another. A wake-up on the same CPU takes 3 µs, on
 * another one ten to twenty times as long in a virtual machine, and where the scheduler puts the two is a matter of luck that lasts.
 * Two threads that take turns lose nothing by sharing a CPU. That they do not is seen by this thread going to sleep
 * after every answer: on one CPU the caller runs first, and its next request is there when the server looks.
 */
export class CpuChaser {
  readonly #mask = new Uint8Array(MASK_BYTES)
  readonly #maskAddress = native.address(this.#mask)
  readonly #everywhere = new Uint8Array(MASK_BYTES)
  readonly #everywhereAddress = native.address(this.#everywhere)
  readonly #text = Buffer.alloc(1024)
  readonly #textAddress = native.address(this.#text)
  #caller = 0
  #turns = 0
  #crowded = 0
  #pinned = false

  constructor() {
    native.syscall(sys.sched_getaffinity, 0, MASK_BYTES, this.#everywhereAddress)
  }

  /** A turn of the event loop has answered `requests`, the last of them from thread `caller`; 0: nobody in particular. */
  turn(requests: number, caller: number): void {
    if (caller === 0) return
    if (requests < BUSY_TURN && caller === this.#caller) {
      this.#crowded = 0
      if (++this.#turns === PATIENCE) {
        this.#turns = PATIENCE - PAUSE
        this.#follow(caller)
      }
      return
    }
    if (this.#pinned && caller !== this.#caller && ++this.#crowded === CROWD) this.release()
    this.#caller = caller
    this.#turns = 0
  }

  #follow(caller: number): void {
    const cpu = this.#cpuOf(caller)
    if (cpu < 0 || (this.#everywhere[cpu >> 3] & (1 << (cpu & 7))) === 0) return
    this.#mask.fill(0)
    this.#mask[cpu >> 3] = 1 << (cpu & 7)
    this.#pinned = native.syscall(sys.sched_setaffinity, 0, MASK_BYTES, this.#maskAddress) >= 0
  }

  /** The CPU that a thread runs on, or -1. */
  #cpuOf(thread: number): number {
    this.#text.write(`/proc/${thread}/stat\0`, 'latin1')
    const fd = native.syscall(
      sys.openat,
      constants.AT_FDCWD,
      this.#textAddress,
      constants.O_RDONLY | constants.O_CLOEXEC,
    )
    if (fd < 0) return -1
    const length = native.syscall(sys.read, fd, this.#textAddress, this.#text.length)
    native.syscall(sys.close, fd)
    if (length <= 0) return -1
    const fields = this.#text.toString('latin1', this.#text.lastIndexOf(')', length) + 2, length).split(' ')
    return fields.length > PROCESSOR - 1 ? Number(fields[PROCESSOR - 1]) : -1
  }

  /** Lets the thread run wherever it might at the start. */
  release(): void {
    this.#crowded = 0
    this.#pinned = false
    native.syscall(sys.sched_setaffinity, 0, MASK_BYTES, this.#everywhereAddress)
  }
}
