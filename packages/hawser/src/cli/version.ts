import { readFileSync } from 'node:fs'
import { exitCodes, has, jsonOption, type Verb } from './verb.js'

export function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
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
