import type { Verb } from './verb.js'

export interface VerbEntry {
  summary: string
  load(): Promise<Verb>
  hidden?: boolean
}

const verb = (module: Promise<{ verb: Verb }>) => module.then(({ verb }) => verb)

/** What the program can do; a verb's file is loaded only when it is called. */
export const verbs: Readonly<Record<string, VerbEntry>> = {
  mount: { summary: 'Mount a source on a directory', load: () => verb(import('./mount.js')) },
  umount: { summary: 'Unmount, also what a dead process left', load: () => verb(import('./umount.js')) },
  status: { summary: 'List the running mounts', load: () => verb(import('./status.js')) },
  stats: {
    summary: 'Operations, latency and bytes of a mount, live',
    load: () => verb(import('./stats.js')),
  },
  doctor: {
    summary: 'Say what this machine can do, and how to enable the rest',
    load: () => verb(import('./doctor.js')),
  },
  demo: {
    summary: 'Mount a generated folder, work on it and measure',
    load: () => verb(import('./demo.js')),
  },
  setup: { summary: 'Install mount -t hawser and a systemd unit', load: () => verb(import('./setup.js')) },
  version: { summary: 'Print the version', load: () => verb(import('./version.js')) },
  help: { summary: 'Explain a verb', load: () => verb(import('./help.js')) },
  'mount-helper': {
    summary: 'What mount(8) calls for type hawser',
    load: () => verb(import('./mount-helper.js')),
    hidden: true,
  },
}
