// A reporter of node:test for machines: one JSON line for each test that ended, as soon as it has.
export default async function* report(events) {
  for await (const { type, data } of events) {
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite') continue
    const left = data.skip ?? data.todo
    const outcome =
      left !== undefined && left !== false ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed'
    const reason = typeof left === 'string' ? left : ''
    yield `${JSON.stringify({ outcome, name: data.name, reason })}\n`
  }
}
