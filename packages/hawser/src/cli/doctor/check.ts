export type Verdict =
  | 'ok'
  /** Works without it, slower or with less. */
  | 'off'
  /** A mount as asked for here cannot work. */
  | 'failed'
  /** A fact. */
  | 'info'

export interface Check {
  name: string
  verdict: Verdict
  /** What was found. */
  finding: string
  /** What enables it. */
  remedy?: string
}

export interface Section {
  title: string
  checks: Check[]
}
