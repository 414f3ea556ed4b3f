// Examples run as programs of their own, in the test's mount namespace.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

export interface Example {
  readonly process: ChildProcess
  /** Settles when it has ended, and its output is complete. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stderr: string }>
}

export function pathOfExample(name: string): string {
  return fileURLToPath(new URL(`./examples/${name}.js`, import.meta.url))
}

/** Resolves when the child says that it is mounted; never, where it says nothing. */
export function saysMounted(child: ChildProcess, mountpoint: string): Promise<void> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', (line) => {
      if (line === `mounted on ${mountpoint}`) resolve()
      else reject(new Error(`the example said: ${line}`))
    })
  })
}

/** Starts an example and waits until it is mounted; it is killed after the test. */
export async function startExample(t: TestContext, name: string, ...args: string[]): Promise<Example> {
  const child = spawn(process.execPath, [pathOfExample(name), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<Awaited<Example['ended']>>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, stderr }))
  })
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const failed = ended.then((end) => {
    throw new Error(`the example ended: ${JSON.stringify(end)}`)
  })
  failed.catch(() => undefined)
  await Promise.race([saysMounted(child, args.at(-1) as string), failed])
  return { process: child, ended }
}
