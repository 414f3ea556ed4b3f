export type MetricsAddress = { type: 'tcp'; host: string; port: number } | { type: 'unix'; path: string }

/** Reads `HOST:PORT`, `[IPV6]:PORT`, `:PORT`, `PORT` or `unix:/path`; throws an Error that says what is wrong. */
export function parseMetricsAddress(text: string, allowRemote: boolean): MetricsAddress {
  if (text.startsWith('unix:')) {
    const path = text.slice(5)
    if (!path.startsWith('/'))
      throw new Error(`--metrics ${text}: the path must be absolute, as in unix:/run/x.sock`)
    if (Buffer.byteLength(path) > 107)
      throw new Error(`--metrics ${text}: longer than the 107 bytes of a socket's path`)
    return { type: 'unix', path }
  }
  const match = /^(?:(\[[0-9a-f:.]+\]|[^:[\]]*):)?(\d{1,5})$/i.exec(text)
  if (match === null || Number(match[2]) > 65535) {
    throw new Error(`--metrics ${text}: not an address; use 127.0.0.1:PORT or unix:/path`)
  }
  const host = (match[1] || '127.0.0.1').replace(/^\[|\]$/g, '')
  if (!isLoopback(host) && !allowRemote) {
    throw new Error(
      `--metrics ${text}: not a loopback address; everybody who reaches it could read it: add --metrics-allow-remote if that is meant`,
    )
  }
  return { type: 'tcp', host, port: Number(match[2]) }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

export function metricsUrl(address: MetricsAddress, port: number): string {
  if (address.type === 'unix') return `unix:${address.path}`
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `http://${host}:${port || address.port}/metrics`
}
