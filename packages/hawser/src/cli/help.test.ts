import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { mountOptionTable } from '../mount/options.js'
import { helpOf } from './help.js'
import { optionsOf } from './parse.js'
import { verbs } from './verbs.js'

const visible = Object.entries(verbs).filter(([, { hidden }]) => !hidden)
const documentation = readFileSync(new URL('../../../../docs/cli.md', import.meta.url), 'utf8')

describe('help', () => {
  for (const [name, entry] of visible) {
    it(`of ${name} explains every option, as docs/cli.md does`, async () => {
      const verb = await entry.load()
      const text = await helpOf(verb)
      assert.equal(verb.name, name)
      assert.equal(verb.summary, entry.summary)
      assert.ok(text.startsWith(`hawser ${name}: ${verb.summary}\n\nusage: hawser ${name}`))
      assert.ok(documentation.includes(`hawser ${name}`), `docs/cli.md does not name hawser ${name}`)
      for (const row of optionsOf(verb)) {
        assert.ok(text.includes(`--${row.name}`), `--${row.name}`)
        assert.ok(documentation.includes(`--${row.name}`), `docs/cli.md does not name --${row.name}`)
      }
      for (const line of text.split('\n')) assert.ok(line.length <= 115, line)
    })
  }

  it('of mount explains every option of a mount, as docs/cli.md does', async () => {
    const text = (await helpOf(await verbs.mount.load())).replace(/\s+/g, ' ')
    for (const { name, explanation, caution } of mountOptionTable) {
      assert.match(text, new RegExp(` ${name}[ =]`))
      assert.ok(text.includes(explanation), name)
      if (caution !== undefined) assert.ok(text.includes(caution), name)
      assert.match(documentation, new RegExp(`\`${name}[\`=]`), `docs/cli.md does not name ${name}`)
    }
  })
})
