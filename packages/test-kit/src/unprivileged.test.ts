import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { after, before, test } from 'node:test'
import {
  openUnprivileged,
  runUnprivileged,
  type UnprivilegedSession,
  whyNotUnprivileged,
} from './unprivileged.js'

const skip = whyNotUnprivileged() ?? false
let session: UnprivilegedSession

before(async () => {
  if (!skip) session = await openUnprivileged({ uid: 64001 })
})

after(async () => {
  await session?.close()
})

const outside = () => ({
  device: statSync('/dev/fuse').mode,
  passwd: readFileSync('/etc/passwd', 'utf8'),
  configuration: readFileSync('/etc/fuse.conf', 'utf8'),
  mounts: readFileSync('/proc/self/mountinfo', 'utf8').match(/hawser-test/g)?.length ?? 0,
})

test('commands run as the user, without any capability or group of root', { skip }, async () => {
  const script = 'id -u; id -g; id -G; grep -E "^Cap(Prm|Eff)" /proc/self/status; echo $HOME; pwd'
  const { stdout, stderr, code } = await session.run('sh', ['-c', script])
  assert.equal(stderr, '')
  assert.equal(code, 0)
  const none = '0000000000000000'
  assert.equal(stdout, `64001\n64001\n64001\nCapPrm:\t${none}\nCapEff:\t${none}\n/mnt\n/mnt\n`)
  const third = await session.run('id', [], { uid: 64002, groups: [7, 8], cwd: '/' })
  assert.match(third.stdout, /^uid=64002 gid=64002\S* groups=\S*,7\(lp\),8\(mail\)$/m)
})

test('fusermount3 mounts and unmounts for the user, and the machine sees nothing of it', {
  skip,
}, async () => {
  const earlier = outside()
  // fusermount3 sends the descriptor over file descriptor 3, where nobody takes it: the mount itself remains.
  const script = `mkdir point && fusermount3 -o allow_other,fsname=proof -- point && cat /proc/self/mountinfo &&
    fusermount3 -u point && ! grep -q ' proof ' /proc/self/mountinfo`
  const { child, ended } = session.spawn('sh', ['-euc', script], {
    env: { _FUSE_COMMFD: '3' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout!.on('data', (data) => {
    output += data
  })
  child.stderr!.on('data', (data) => {
    output += data
  })
  child.stdio[3]!.on('error', () => {})
  assert.deepEqual(await ended, { code: 0, signal: null }, output)
  assert.match(output, / \/mnt\/point .* - fuse proof .*user_id=64001,group_id=64001.*allow_other/)
  assert.deepEqual(outside(), earlier)
})

test('without user_allow_other in fuse.conf, fusermount3 refuses allow_other', { skip }, async () => {
  const run = await runUnprivileged({
    command: 'sh',
    args: ['-c', 'mkdir point; _FUSE_COMMFD=1 exec fusermount3 -o allow_other -- point'],
    userAllowOther: false,
  })
  let message = ''
  run.child.stderr!.on('data', (data) => {
    message += data
  })
  assert.equal((await run.ended).code, 1)
  assert.match(message, /allow_other only allowed if 'user_allow_other' is set/)
})

test('a signal reaches the command itself', { skip }, async () => {
  const run = session.spawn('sh', ['-c', 'trap "exit 7" TERM; echo ready; while :; do sleep 0.02; done'])
  await new Promise((resolve) => run.child.stdout!.once('data', resolve))
  assert.equal(await run.kill('SIGTERM'), true)
  assert.deepEqual(await run.ended, { code: 7, signal: null })
  const other = session.spawn('sleep', ['1000'])
  assert.equal(await other.kill('SIGKILL'), true)
  assert.deepEqual(await other.ended, { code: null, signal: 'SIGKILL' })
  assert.equal(await other.pid(), undefined)
})

test('directories and files are bound where they are wanted, writable or not', { skip }, async () => {
  const file = new URL(import.meta.url).pathname
  const mounts = [
    { source: '/usr', target: '/mnt/deep/usr', readOnly: true },
    { source: file, target: '/mnt/this.js' },
  ]
  await using own = await openUnprivileged({ mounts })
  const { stdout } = await own.run('sh', [
    '-c',
    'cat /mnt/this.js; grep " /mnt/deep/usr " /proc/self/mountinfo',
  ])
  assert.ok(stdout.startsWith(readFileSync(file, 'utf8')))
  assert.match(stdout, / \/mnt\/deep\/usr ro,/)
  assert.equal((await own.run('ls', ['-A'])).stdout, '.run\ndeep\nthis.js\n')
})

test('Node and this repository are within the user’s reach', { skip }, async () => {
  const script = `import(${JSON.stringify(new URL('./unprivileged.js', import.meta.url).href)})
    .then((module) => console.log(process.getuid(), typeof module.openUnprivileged))`
  const { stdout, stderr } = await session.run(process.execPath, ['-e', script])
  assert.equal(stdout, '64001 function\n', stderr)
})

test('closing kills daemons that outlived their command', { skip }, async () => {
  const own = await openUnprivileged()
  const script = `setsid sleep 1000 >/dev/null 2>&1 & setsid sleep 1000 >/dev/null 2>&1 &
    until [ "$(cat /proc/[0-9]*/comm | grep -cx sleep)" = 2 ]; do :; done`
  assert.equal((await own.run('sh', ['-c', script])).code, 0)
  const { stdout } = await own.run('sh', ['-c', 'cat /proc/[0-9]*/comm'])
  assert.equal(stdout.match(/^sleep$/gm)?.length, 2)
  await own.close()
  assert.throws(() => statSync(`/proc/${own.initPid}`), { code: 'ENOENT' })
  assert.equal((await own.run('true')).code, 1)
})

test('what cannot be set up is an error that says why', { skip }, async () => {
  const mounts = [{ source: '/nonexistent', target: '/mnt/nothing' }]
  await assert.rejects(openUnprivileged({ mounts }), /no unprivileged session: mount: .*nonexistent/s)
  await assert.rejects(openUnprivileged({ uid: 0 }), /session of root/)
})
