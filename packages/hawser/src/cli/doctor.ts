import type { Section, Verdict } from './doctor/check.js'
import * as system from './doctor/system.js'
import { wrap } from './text.js'
import { exitCodes, has, jsonOption, type Verb } from './verb.js'

export const verb: Verb = {
  name: 'doctor',
  usage: '[--json]',
  summary: 'Say what this machine can do, and how to enable the rest',
  arguments: [],
  options: [jsonOption],
  details:
    () => `Tries what it names: opens /dev/fuse, loads the addon, mounts a folder, reads a file through it and unmounts.
Changes nothing. Exit code 0: mounting works; 1: it does not.
`,
  async run(input) {
    const { sections, works } = await examine()
    process.stdout.write(
      has(input, 'json') ? `${JSON.stringify({ works, sections })}\n` : toText(sections, works),
    )
    return works ? exitCodes.ok : exitCodes.failure
  },
}

async function examine(): Promise<{ sections: Section[]; works: boolean }> {
  const { testMount } = await import('./doctor/test-mount.js')
  const addon = await system.checkAddon()
  const { mount, passthrough } = await testMount()
  const sections: Section[] = [
    {
      title: 'To mount',
      checks: [
        system.checkNode(),
        addon,
        system.checkKernel(),
        system.checkDevice(),
        system.checkFusermount(),
        mount,
      ],
    },
    {
      title: 'Faster or more',
      checks: [passthrough, system.checkIoUring(), system.checkAllowOther(), system.checkUserNamespaces()],
    },
    { title: 'Limits', checks: system.checkLimits() },
  ]
  return { sections, works: mount.verdict === 'ok' }
}

const words: Readonly<Record<Verdict, string>> = { ok: 'ok', off: 'off', failed: 'FAILED', info: '' }

function toText(sections: readonly Section[], works: boolean): string {
  const blocks = sections.map(({ title, checks }) => {
    const lines = checks.map(({ name, verdict, finding, remedy }) => {
      const first = `  ${words[verdict].padEnd(7)} ${name.padEnd(20)} ${finding}\n`
      if (remedy === undefined || verdict === 'ok') return first
      return (
        first +
        wrap(`→ ${remedy}`, 80)
          .map((line) => `${' '.repeat(31)}${line}\n`)
          .join('')
      )
    })
    return `${title}\n${lines.join('')}`
  })
  const verdict = works ? 'Mounting works.' : 'Mounting does not work: see FAILED above.'
  return `${blocks.join('\n')}\n${verdict}\n`
}
