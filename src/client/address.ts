/** Where a server listens. */
export interface ServerAddress {
  /** `https://host:port`, no path. */
  url: string
  /** A name or an address, without brackets. */
  host: string
  port: number
}

/** Reads `https://host[:port]` or `host[:port]`; a sentence on what is wrong otherwise. */
export const parseServer = (text: string): ServerAddress | string => {
  let url: URL
  try {
    url = new URL(text.includes('://') ? text : `https://${text}`)
  } catch {
    return 'it cannot be read as a URL.'
  }
  if (url.protocol !== 'https:') return 'only https is spoken.'
  if (url.username !== '' || url.password !== '') return 'a certificate identifies you, no user name or password.'
  if ((url.pathname !== '/' && url.pathname !== '') || url.search !== '' || url.hash !== '')
    return 'it has a path; the API begins at the root.'
  return { url: url.origin, host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 443) }
}

/** The same host, another port. */
export const withPort = (server: ServerAddress, port: number): ServerAddress => ({
  ...server,
  url: `https://${server.host.includes(':') ? `[${server.host}]` : server.host}:${port}`,
  port,
})
