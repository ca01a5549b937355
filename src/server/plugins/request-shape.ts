import type { IncomingMessage } from 'node:http'
import { ControlError, type ErrorCode } from '../../core/errors.ts'

/** Octets of a URL, of all headers together, and how many headers there may be. */
export const urlLimit = 2048
export const headersLimit = 16 * 1024
export const headerCountLimit = 100

/** Headers of which a second one makes the first ambiguous: the parser would join them or drop one silently. */
const singular = new Set(['host', 'content-type', 'content-length', 'idempotency-key', 'if-match'])

const visibleAscii = /^[!-~]+$/
const hostOf = /^([a-z0-9._~-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i

const invalid = (detail: string, pointer?: string): ControlError =>
  new ControlError('invalid_request', detail, pointer === undefined ? {} : { errors: [{ pointer, detail }] })

const faultOfUrl = (url: string): ControlError | undefined => {
  if (url.length > urlLimit) return new ControlError('uri_too_long', `a URL has at most ${urlLimit} characters`)
  if (url[0] !== '/') return invalid('the request target must be a path')
  if (!visibleAscii.test(url) || url.includes('#')) return invalid('the request target holds forbidden characters')
  if (!url.includes('%')) return undefined
  try {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    if (/[\u0000-\u001f\u007f]/.test(decodeURIComponent(url))) return invalid('the URL holds a control character')
  } catch {
    return invalid('the URL holds a percent sign that encodes nothing')
  }
  return undefined
}

const faultOfHeaders = (request: IncomingMessage): ControlError | undefined => {
  const { rawHeaders } = request
  if (rawHeaders.length > headerCountLimit * 2) {
    return new ControlError('headers_too_large', `a request has at most ${headerCountLimit} headers`)
  }
  let size = 0
  const seen = new Set<string>()
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase()
    size += name.length + (rawHeaders[index + 1] as string).length + 4
    if (!singular.has(name)) continue
    if (seen.has(name)) return invalid('given more than once', `/headers/${name}`)
    seen.add(name)
  }
  if (size > headersLimit) return new ControlError('headers_too_large', `headers have at most ${headersLimit} octets`)
  return undefined
}

const faultOfHost = ({ httpVersionMinor, headers: { host } }: IncomingMessage): ControlError | undefined => {
  if (host === undefined) return httpVersionMinor === 0 ? undefined : invalid('is required', '/headers/host')
  return hostOf.test(host) ? undefined : invalid('is not a host', '/headers/host')
}

const faultOfBody = (request: IncomingMessage): ControlError | undefined => {
  const { headers } = request
  const coding = headers['transfer-encoding']
  const length = headers['content-length']
  if (coding !== undefined) {
    // A coding that only one of two parties understands is how requests are smuggled. @see RFC 9112 §6.1
    if (coding.toLowerCase() !== 'chunked' || request.httpVersionMinor === 0 || length !== undefined) {
      return invalid('only chunked is understood, and not together with Content-Length', '/headers/transfer-encoding')
    }
  }
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return new ControlError('unsupported_media_type', 'a body must not be compressed')
  }
  return undefined
}

/** True when there is a body to come. */
export const announcesBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0

/**
 * What is wrong with a request before anybody asks what it wants: target, headers, Host and body framing.
 * Stricter than the parser, which repairs and joins. @see RFC 9112 §3.2, §6
 */
export const faultOfShape = (request: IncomingMessage): ControlError | undefined => {
  if (request.httpVersionMajor !== 1 || request.httpVersionMinor > 1) return invalid('only HTTP/1.1 is spoken here')
  return faultOfUrl(request.url as string) ?? faultOfHeaders(request) ?? faultOfHost(request) ?? faultOfBody(request)
}

const faults = new WeakMap<IncomingMessage, ControlError>()

/** Remembers a fault until the caller is admitted: before that nobody is told what is wrong. */
export const markFault = (request: IncomingMessage, code: ErrorCode, detail: string): void => {
  faults.set(request, new ControlError(code, detail))
}

/** Looks at a request and hides a target that the router might choke on. */
export const inspectShape = (request: IncomingMessage): void => {
  const fault = faults.get(request) ?? faultOfShape(request)
  if (fault === undefined) return
  faults.set(request, fault)
  request.url = '/'
}

export const faultOf = (request: IncomingMessage): ControlError | undefined => faults.get(request)
