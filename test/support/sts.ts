import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { Authority } from './authority.ts'

export interface StsCaller {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
  account: string
  arn: string
  userId: string
}

export interface StsAnswer {
  status: number
  headers?: Record<string, string>
  body: string | Buffer
  /** Milliseconds before the first byte, and between the headers and the rest. */
  delay?: number
  stall?: number
}

export interface TestSts {
  url: URL
  ca: string
  /** What came, signed well or not. */
  requests: { headers: IncomingMessage['headers']; body: string; error?: string }[]
  /** Instead of its honest answer, which it is given; undefined: that one. */
  answerWith: ((honest: StsAnswer) => StsAnswer) | undefined
}

const sha256 = (text: string) => createHash('sha256').update(text, 'utf8').digest('hex')
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text, 'utf8').digest()

export interface ToSign {
  method: string
  path: string
  /** The signed ones, by their names in lower case. */
  headers: Record<string, string>
  body: string
  /** `YYYYMMDDTHHMMSSZ` */
  date: string
  region: string
  secretAccessKey: string
}

/**
 * Signature Version 4 as AWS publishes it, for a request without a query: 64 hex digits.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export const signatureOf = ({ method, path, headers, body, date, region, secretAccessKey }: ToSign): string => {
  const names = Object.keys(headers).sort()
  const lines = names.map((name) => `${name}:${headers[name]?.trim().replace(/ +/g, ' ')}\n`)
  const canonical = [method, path, '', lines.join(''), names.join(';'), sha256(body)].join('\n')
  const scope = [date.slice(0, 8), region, 'sts', 'aws4_request']
  const key = scope.reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`)
  return hmac(key, ['AWS4-HMAC-SHA256', date, scope.join('/'), sha256(canonical)].join('\n')).toString('hex')
}

/** Why STS would refuse a request, or who it is from. */
const authenticate = (
  request: IncomingMessage,
  body: string,
  callers: StsCaller[],
  now: number,
): { caller: StsCaller } | { error: string } => {
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? '',
    )
  if (parts === null) return { error: 'IncompleteSignature' }
  const [, keyId, day, region, service, names, signature] = parts
  const caller = callers.find(({ accessKeyId }) => accessKeyId === keyId)
  if (caller === undefined) return { error: 'InvalidClientTokenId' }
  const date = String(request.headers['x-amz-date'])
  if (service !== 'sts' || request.headers.host !== `sts.${region}.amazonaws.com` || date.slice(0, 8) !== day)
    return { error: 'SignatureDoesNotMatch' }
  const at = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(Math.abs(now - at) <= 15 * 60_000)) return { error: 'SignatureDoesNotMatch' }
  if (request.headers['x-amz-security-token'] !== caller.sessionToken) return { error: 'InvalidClientTokenId' }

  const signed = (names as string).split(';')
  // Host, and every header of Amazon's own, must be among the signed ones.
  const must = ['host', ...Object.keys(request.headers).filter((name) => name.startsWith('x-amz-'))]
  if (must.some((name) => !signed.includes(name))) return { error: 'SignatureDoesNotMatch' }
  const expected = signatureOf({
    method: request.method ?? '',
    path: request.url ?? '',
    headers: Object.fromEntries(signed.map((name) => [name, String(request.headers[name] ?? '')])),
    body,
    date,
    region: region as string,
    secretAccessKey: caller.secretAccessKey,
  })
  return timingSafeEqual(Buffer.from(expected), Buffer.from(signature as string))
    ? { caller }
    : { error: 'SignatureDoesNotMatch' }
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** The answer of GetCallerIdentity, as STS writes it. */
export const identityXml = ({ arn, userId, account }: Pick<StsCaller, 'arn' | 'userId' | 'account'>): string =>
  `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>${escaped(arn)}</Arn>
    <UserId>${escaped(userId)}</UserId>
    <Account>${escaped(account)}</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata>
    <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>
  </ResponseMetadata>
</GetCallerIdentityResponse>
`

const errorXml = (code: string): string =>
  `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error>
    <Type>Sender</Type>
    <Code>${code}</Code>
    <Message>no</Message>
  </Error>
  <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>
</ErrorResponse>
`

/** An STS that knows some callers and verifies their signatures for real, over TLS on this machine, until the test ends. */
export const startSts = async (
  t: Pick<Test, 'teardown'>,
  authority: Pick<Authority, 'env' | 'root_pem'>,
  callers: StsCaller[],
  now: () => number = Date.now,
): Promise<TestSts> => {
  const server = createServer({ cert: authority.env.AIRUNNER_SERVER_CERT, key: authority.env.AIRUNNER_SERVER_KEY })
  const sts: TestSts = {
    url: new URL('https://localhost'),
    ca: authority.root_pem,
    requests: [],
    answerWith: undefined,
  }
  server.on('request', async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const known = authenticate(request, body, callers, now())
    const isAsked =
      request.method === 'POST' && request.url === '/' && body === 'Action=GetCallerIdentity&Version=2011-06-15'
    const error = 'error' in known ? known.error : isAsked ? undefined : 'InvalidAction'
    sts.requests.push({ headers: request.headers, body, ...(error === undefined ? {} : { error }) })
    const honest: StsAnswer =
      'error' in known || error !== undefined
        ? { status: 403, body: errorXml(error ?? '') }
        : { status: 200, body: identityXml(known.caller) }
    const answer = sts.answerWith?.(honest) ?? honest
    const wait = (milliseconds = 0) => new Promise((resolve) => setTimeout(resolve, milliseconds).unref())
    await wait(answer.delay)
    response.writeHead(answer.status, { 'content-type': 'text/xml', ...answer.headers })
    response.flushHeaders()
    if (answer.stall !== undefined) await wait(answer.stall)
    response.end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  })
  sts.url = new URL(`https://localhost:${(server.address() as AddressInfo).port}/`)
  return sts
}
