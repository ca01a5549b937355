import { isIPv4, isIPv6 } from 'node:net'
import { availableParallelism } from 'node:os'
import { commercialRegions, isRegion } from '../auth/join/aws-regions.ts'
import { parseDuration } from '../core/time.ts'
import { type CidrSet, parseCidrs } from './cidr.ts'

/** How a text from the command line or the environment becomes a value. */
export interface Kind<T> {
  /** Stands for the value in usage lines. */
  placeholder: string
  /** Completes "expected …". */
  expected: string
  /** Undefined when the text is not such a value. */
  read(text: string): { value: T } | undefined
}

export interface ListenAddress {
  host: string
  port: number
}

/** `127.0.0.1:443`, `[::1]:443`. */
export const addressText = ({ host, port }: ListenAddress): string =>
  isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const isHostname = (text: string): boolean => {
  const labels = text.split('.')
  // A last label of digits alone would be an IPv4 address to half of the readers.
  return text.length <= 253 && labels.every((each) => label.test(each)) && !/^\d+$/.test(labels.at(-1) ?? '')
}

const readAddress = (text: string): ListenAddress | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const [, ipv6, name] = match
  const port = Number(match[3])
  if (port > 65535) return undefined
  if (ipv6 !== undefined) return isIPv6(ipv6) ? { host: ipv6, port } : undefined
  return name !== undefined && (isIPv4(name) || isHostname(name)) ? { host: name, port } : undefined
}

const found = <T>(value: T | undefined): { value: T } | undefined => (value === undefined ? undefined : { value })

/** Where a listener listens; undefined is off. */
export const listenAddress: Kind<ListenAddress | undefined> = {
  placeholder: 'HOST:PORT',
  expected: 'HOST:PORT or [IPV6]:PORT (port 0: any free one), or off',
  read: (text) => (text === 'off' ? { value: undefined } : found(readAddress(text))),
}

/** The same for a listener that cannot be off. */
export const requiredAddress: Kind<ListenAddress> = {
  placeholder: 'HOST:PORT',
  expected: 'HOST:PORT or [IPV6]:PORT (port 0: any free one)',
  read: (text) => found(readAddress(text)),
}

export const hostname: Kind<string> = {
  placeholder: 'NAME',
  expected: 'a lower-case DNS name, such as airunner-prod.example.com',
  read: (text) => (isHostname(text) ? { value: text } : undefined),
}

/** Milliseconds. */
export const duration = (least: string, most: string): Kind<number> => ({
  placeholder: 'DURATION',
  expected: `a duration from ${least} to ${most}, such as 500ms, 30s, 15m, 12h, 90d`,
  read: (text) => {
    const value = parseDuration(text)
    const [low, high] = [parseDuration(least) ?? 0, parseDuration(most) ?? 0]
    return value === undefined || value < low || value > high ? undefined : { value }
  },
})

export const count = (least: number, most: number): Kind<number> => ({
  placeholder: 'N',
  expected: `a whole number from ${least} to ${most}`,
  read: (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    return value >= least && value <= most ? { value } : undefined
  },
})

const processes = count(1, 64)
export const workerCount: Kind<number> = {
  placeholder: 'N',
  expected: `${processes.expected}, or auto`,
  read: (text) => (text === 'auto' ? { value: availableParallelism() } : processes.read(text)),
}

export const oneOf = <T extends string>(words: readonly T[]): Kind<T> => ({
  placeholder: words.join('|'),
  expected: `one of ${words.join(', ')}`,
  read: (text) => found(words.find((word) => word === text)),
})

/** A base for URLs written into certificates: no query, no fragment, no slash at its end. */
export const publicUrl: Kind<string | undefined> = {
  placeholder: 'URL',
  expected: 'an http:// or https:// URL without query, fragment or credentials',
  read: (text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const plain =
      url?.search === '' && url.hash === '' && url.username === '' && url.password === '' && !/[?#]/.test(text)
    if (url === undefined || !plain || !['http:', 'https:'].includes(url.protocol)) return undefined
    return { value: url.href.replace(/\/+$/, '') }
  },
}

/** @see X.660: a first arc of 0 to 2, a second below 40 under the first two */
export const objectIdentifier: Kind<string> = {
  placeholder: 'OID',
  expected: 'an object identifier in dotted decimals, such as 1.3.6.1.4.1.99999.1',
  read: (text) => {
    if (text.length > 128 || !/^[0-2](\.(0|[1-9]\d{0,14})){1,30}$/.test(text)) return undefined
    const [first, secondArc] = text.split('.').map(Number) as [number, number]
    return first < 2 && secondArc >= 40 ? undefined : { value: text }
  },
}

export const cidrs: Kind<CidrSet | undefined> = {
  placeholder: 'CIDRS',
  expected: 'CIDRs separated by commas, such as 10.0.0.0/16,2001:db8::/56, or off',
  read: (text) => (text === 'off' ? { value: undefined } : found(parseCidrs(text))),
}

export const directory: Kind<string> = {
  placeholder: 'DIR',
  expected: 'the path of a directory',
  read: (text) => (text.includes('\0') ? undefined : { value: text }),
}

/** Undefined is none. @see S3's naming rules for general purpose buckets */
export const bucketName: Kind<string | undefined> = {
  placeholder: 'BUCKET',
  expected: 'the name of an S3 bucket, 3 to 63 characters of a-z 0-9 . -, or none',
  read: (text) => {
    if (text === 'none') return { value: undefined }
    const fits = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text) && !text.includes('..') && !isIPv4(text)
    return fits ? { value: text } : undefined
  },
}

export const awsRegions: Kind<readonly string[]> = {
  placeholder: 'REGIONS',
  expected: 'names of AWS regions separated by commas, such as eu-west-1,us-gov-west-1, or commercial (all of those)',
  read: (text) => {
    if (text === 'commercial') return { value: commercialRegions }
    const regions = text.split(',').map((part) => part.trim())
    return regions.every(isRegion) && new Set(regions).size === regions.length ? { value: regions } : undefined
  },
}

/** Where the mark of the tables is remembered: a path; `auto` and `none` as they are. */
export const epochFile: Kind<string> = {
  placeholder: 'PATH',
  expected: 'the path of a file, or none',
  read: (text) => (text.includes('\0') || text.length > 4000 ? undefined : { value: text }),
}

/** @see https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html */
export const epochParameter: Kind<string> = {
  placeholder: 'NAME',
  expected: 'the full name of a parameter, such as /airunner/prod/store-epoch, auto, or none',
  read: (text) =>
    text === 'auto' || text === 'none' || (text.length <= 1011 && /^(\/[A-Za-z0-9_.-]+){1,15}$/.test(text))
      ? { value: text }
      : undefined,
}
