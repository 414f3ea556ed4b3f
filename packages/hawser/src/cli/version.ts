import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exitCodes, has, jsonOption, type Verb } from './verb.js'

export function version(): string {
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

export const verb: Verb = {
  name: 'version',
  usage: '[--json]',
  summary: 'Print the version',
  arguments: [],
  options: [jsonOption],
  async run(input) {
    const facts = { version: version(), node: process.versions.node, arch: process.arch }
    process.stdout.write(
      has(input, 'json')
        ? `${JSON.stringify(facts)}\n`
        : `hawser ${facts.version} (Node ${facts.node}, ${facts.arch})\n`,
    )
    return exitCodes.ok
  },
}
