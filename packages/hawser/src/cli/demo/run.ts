import { spawnSync } from 'node:child_process'

/** Runs a program and answers what it printed; throws with its complaint where it fails. */
export function run(program: string, args: readonly string[], cwd: string, argv0?: string): string {
  const result = spawnSync(program, args, {
    cwd,
    argv0,
    encoding: 'utf8',
    // The user's own configuration (hooks, signatures, templates) is not part of the demo.
    env: {
      ...process.env,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'Demo',
      GIT_AUTHOR_EMAIL: 'demo@localhost',
      GIT_COMMITTER_NAME: 'Demo',
      GIT_COMMITTER_EMAIL: 'demo@localhost',
      GIT_DIR: undefined,
      GIT_WORK_TREE: undefined,
      LC_ALL: 'C',
    },
  })
  if (result.error !== undefined) throw new Error(`${program}: ${result.error.message}`)
  if (result.status !== 0) throw new Error(`${program} ${args[0]} failed: ${result.stderr.trim()}`)
  return result.stdout.trim()
}
