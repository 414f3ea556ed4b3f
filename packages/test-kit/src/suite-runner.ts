/** Owns the worker process of a run: starts it, gives it cases, and replaces it when one hangs. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { WorkerReady, WorkerStart } from './conformance-worker.js'
import { Hang, WatchedChild } from './watched-child.js'

const script = fileURLToPath(new URL('./conformance-worker.js', import.meta.url))
/** After so many cases that had to be ended from outside, the target is taken for dead. */
const hangLimit = 3

export class SuiteRunner {
  #start: WorkerStart
  #child: WatchedChild | undefined
  #ready: WorkerReady | undefined
  #hangs = 0

  constructor(start: WorkerStart) {
    this.#start = start
  }

  get hopeless(): boolean {
    return this.#hangs >= hangLimit
  }

  async ready(): Promise<WorkerReady> {
    if (!this.#child || !this.#ready) {
      this.#child = new WatchedChild(script)
      try {
        this.#ready = (await this.#ask({ start: this.#start }, 120)) as WorkerReady
      } catch (error) {
        // A target in which not even a directory can be made in that time hangs for good.
        if (error instanceof Hang) this.#hangs = hangLimit
        throw error
      }
    }
    return this.#ready
  }

  /** Runs one case; throws what it threw, or Hang. */
  async run(name: string, seconds: number): Promise<void> {
    await this.ready()
    await this.#ask({ run: name }, seconds)
  }

  async finish(): Promise<void> {
    if (this.hopeless) {
      // The target is out of reach; the reference is plain.
      try {
        rmSync(join(this.#start.reference, this.#start.base), { recursive: true, force: true })
      } catch {
        // It stays as well.
      }
    } else {
      try {
        await this.ready()
        await this.#ask({ finish: true }, 240)
      } catch {
        // What could not be removed stays; the verdict does not depend on it.
      }
    }
    await this.#child?.kill()
  }

  async #ask(message: object, seconds: number): Promise<unknown> {
    try {
      return await this.#child!.ask(message, seconds)
    } catch (error) {
      if (error instanceof Hang) {
        this.#hangs++
        this.#child = undefined
        this.#ready = undefined
      }
      throw error
    }
  }
}
