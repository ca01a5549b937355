import type { IncomingMessage } from 'node:http'

/** A strong validator of a public file, from its SHA-256 in hex. @see RFC 9110 §8.8.3 */
export const etagOf = (sha256: string): string => `"${sha256.slice(0, 32)}"`

/**
 * True when the reader already holds this version. `modified` in Unix ms, whole seconds; a date counts only when it is that of
 * this version: one that a reader's own clock gave, ahead of ours, would keep him from every newer list until then.
 * @see RFC 9110 §13.1.2, §13.1.3
 */
export const holds = (request: IncomingMessage, etag: string, modified?: number): boolean => {
  const header = request.headers['if-none-match']
  if (header !== undefined)
    return header.trim() === '*' || header.split(',').some((held) => held.trim().replace(/^W\//, '') === etag)
  return modified !== undefined && Date.parse(request.headers['if-modified-since'] ?? '') === modified
}
