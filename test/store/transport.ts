import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb'
import t, { type Test } from 'tap'
import { makeAwsSettings } from '../../src/store/aws-settings.ts'
import { failureOf } from '../../src/store/failures.ts'
import { makePost } from '../../src/store/post.ts'
import { openTransport } from '../../src/store/transport.ts'

interface Received {
  headers: IncomingMessage['headers']
  body: string
}
type Respond = (response: ServerResponse, received: Received) => void

/** A store that says what it is told to say, and remembers what it was asked. */
const startStore = async (t: Test, respond: Respond) => {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request.setEncoding('utf8')) body += part
    received.push({ headers: request.headers, body })
    respond(response, { headers: request.headers, body })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { received, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const keys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const open = (t: Test, config: Parameters<typeof openTransport>[0]) => {
  const transport = openTransport({ region: 'eu-west-1', ...config }, 'table', () => undefined)
  t.teardown(transport.close)
  return transport
}

const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest()
const sha256 = (data: string) => createHash('sha256').update(data).digest('hex')

/** The signature that a request should have, written from the specification of Signature Version 4 alone. */
const expectedSignature = ({ headers, body }: Received, secret: string): string => {
  const [, day = '', region = '', names = ''] =
    /Credential=[^/]+\/(\d{8})\/([^/]+)\/dynamodb\/aws4_request, SignedHeaders=([^,]+)/.exec(
      String(headers.authorization),
    ) ?? []
  const canonical = names.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`)
  const request = ['POST', '/', '', canonical.join(''), names, sha256(body)].join('\n')
  const scope = `${day}/${region}/dynamodb/aws4_request`
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(request)].join('\n')
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), 'dynamodb'), 'aws4_request')
  return hmac(key, text).toString('hex')
}
const signatureOf = ({ headers }: Received) => /Signature=([0-9a-f]{64})$/.exec(String(headers.authorization))?.[1]

t.test('each call is signed, what it says and whom it is for included', async (t) => {
  const { received, endpoint } = await startStore(t, (response) => response.end('{}'))
  for (const sessionToken of [undefined, 'a/session+token==']) {
    const credentials = { ...keys, ...(sessionToken && { sessionToken }) }
    const transport = open(t, { endpoint, credentials })
    for (const input of [{ TableName: 'table' }, { text: 'ü€😀 " \\' }]) {
      await transport.call('GetItem', input, 1000)
      const last = received.at(-1) as Received
      t.equal(signatureOf(last), expectedSignature(last, keys.secretAccessKey))
      t.match(last.headers.authorization, /\/eu-west-1\/dynamodb\//)
      t.match(last.headers.authorization, /SignedHeaders=[^,]*host;[^,]*x-amz-date;.*x-amz-target/)
      t.equal(last.headers['x-amz-security-token'], sessionToken)
      t.equal(last.headers['x-amz-target'], 'DynamoDB_20120810.GetItem')
      t.same(JSON.parse(last.body), input)
    }
  }
})

t.test('credentials that were renewed are used from the next call on', async (t) => {
  const { received, endpoint } = await startStore(t, (response) => response.end('{}'))
  let turn = 0
  const credentials = async () => ({
    ...keys,
    accessKeyId: `KEY${++turn}`,
    // Soon enough to be renewed at once.
    expiration: new Date(Date.now() + 1000),
  })
  const transport = open(t, { endpoint, credentials })
  await transport.call('GetItem', {}, 1000)
  await transport.call('GetItem', {}, 1000)
  const [first, second] = received.map(({ headers }) => /Credential=(\w+)/.exec(String(headers.authorization))?.[1])
  t.not(first, second)
  for (const one of received) t.equal(signatureOf(one), expectedSignature(one, keys.secretAccessKey))
})

t.test('credentials that cannot be had are a store that was not reached', async (t) => {
  const provider = async () => {
    throw Object.assign(new Error('nobody here'), { name: 'CredentialsProviderError' })
  }
  const transport = open(t, { endpoint: 'http://127.0.0.1:1', credentials: provider })
  const error = await transport.call('GetItem', {}, 1000).catch((thrown) => thrown)
  t.same(failureOf(error), { kind: 'unreachable' })
})

t.test('requests go where the SDK would send them', async (t) => {
  const account = { ...keys, accountId: '111122223333' }
  for (const [wanted, config] of [
    ['https://dynamodb.eu-west-1.amazonaws.com/ eu-west-1', {}],
    ['https://dynamodb-fips.us-east-1.amazonaws.com/ us-east-1', { region: 'us-east-1', useFipsEndpoint: true }],
    ['https://dynamodb.eu-west-1.api.aws/ eu-west-1', { useDualstackEndpoint: true }],
    ['https://dynamodb.cn-north-1.amazonaws.com.cn/ cn-north-1', { region: 'cn-north-1' }],
    ['https://111122223333.ddb.eu-west-1.amazonaws.com/ eu-west-1', { credentials: account }],
    ['http://127.0.0.1:4566/ eu-west-1', { endpoint: 'http://127.0.0.1:4566' }],
  ] as const) {
    const settings = await makeAwsSettings({ region: 'eu-west-1', credentials: keys, ...config }, 'table')()
    const { protocol, hostname, port, path, region } = settings
    t.equal(`${protocol}//${hostname}${port ? `:${port}` : ''}${path} ${region}`, wanted)
  }
})

t.test('a refusal is what the SDK makes of it', async (t) => {
  const prefix = 'com.amazonaws.dynamodb.v20120810#'
  const cancelled = (...codes: string[]) =>
    JSON.stringify({
      __type: `${prefix}TransactionCanceledException`,
      Message: 'Transaction cancelled',
      CancellationReasons: codes.map((Code) => ({ Code })),
    })
  const named = (name: string) => JSON.stringify({ __type: prefix + name, message: 'so it is' })
  for (const [status, body, headers = {}] of [
    [400, named('ThrottlingException')],
    [400, named('ConditionalCheckFailedException')],
    [400, named('ProvisionedThroughputExceededException')],
    [400, named('TransactionInProgressException')],
    [400, named('ValidationException')],
    [400, named('ExpiredTokenException')],
    [400, named('NobodyKnowsThisException')],
    [400, cancelled('None', 'ConditionalCheckFailed', 'ConditionalCheckFailed')],
    [400, cancelled('TransactionConflict', 'None')],
    [400, cancelled('ThrottlingError')],
    [400, cancelled('ValidationError')],
    [400, cancelled()],
    [500, named('InternalServerError')],
    [503, '<html>busy</html>'],
    [403, 'no'],
    [413, ''],
    [400, '{}', { 'x-amzn-errortype': 'LimitExceededException:http://internal/' }],
    [200, 'not JSON'],
  ] as [number, string, Record<string, string>?][]) {
    const { endpoint } = await startStore(t, (response) => response.writeHead(status, headers).end(body))
    const sdk = new DynamoDBClient({ endpoint, region: 'eu-west-1', credentials: keys, maxAttempts: 1 })
    const thrown = (error: Error) => error
    const theirs = await sdk.send(new GetItemCommand({ TableName: 'table', Key: { pk: { S: 'x' } } })).catch(thrown)
    const ours = (await open(t, { endpoint, credentials: keys }).call('GetItem', {}, 1000).catch(thrown)) as Error
    t.same(failureOf(ours), failureOf(theirs), `${status} ${body}`)
    if (body.includes(prefix)) t.equal(ours.name, (theirs as Error).name)
    sdk.destroy()
  }
})

t.test('what happened is unknown after silence, a lost connection or a mangled answer', async (t) => {
  for (const [what, respond] of [
    ['silence', () => undefined],
    ['a lost connection', (response) => response.destroy()],
    [
      'half an answer',
      (response) => response.writeHead(200, { 'content-length': '10' }).write('{"a"', () => response.destroy()),
    ],
    ['another checksum', (response) => response.writeHead(200, { 'x-amz-crc32': '1' }).end('{}')],
  ] as [string, Respond][]) {
    const { endpoint } = await startStore(t, respond)
    const error = await open(t, { endpoint, credentials: keys })
      .call('GetItem', {}, 300)
      .catch((thrown) => thrown)
    t.same(failureOf(error), { kind: 'unknown' }, what)
  }
  const refused = await open(t, { endpoint: 'http://127.0.0.1:1', credentials: keys })
    .call('GetItem', {}, 300)
    .catch((thrown) => thrown)
  t.same(failureOf(refused), { kind: 'unreachable' })
})

t.test('an answer that is too long is not taken in', async (t) => {
  const { endpoint } = await startStore(t, (response) => response.end('x'.repeat(2000)))
  const settings = await makeAwsSettings({ region: 'eu-west-1', credentials: keys, endpoint }, 'table')()
  for (const [limit, taken] of [
    [2000, true],
    [1999, false],
  ] as const) {
    const { post, close } = makePost(limit)
    const answer = await post(settings, {}, '{}', 1000).then(
      ({ body }) => body.length === 2000,
      () => false,
    )
    t.equal(answer, taken, `a limit of ${limit}`)
    close()
  }
})

t.test('a clock that is far off signs by that of the store from the second call on', async (t) => {
  const ahead = Date.now() + 60 * 60 * 1000
  const { received, endpoint } = await startStore(t, (response) =>
    response.writeHead(200, { date: new Date(ahead).toUTCString() }).end('{}'),
  )
  const transport = open(t, { endpoint, credentials: keys })
  for (let i = 0; i < 2; i++) await transport.call('GetItem', {}, 1000)
  const hourOf = ({ headers }: Received) => String(headers['x-amz-date']).slice(9, 11)
  t.equal(hourOf(received[1] as Received), new Date(ahead).toISOString().slice(11, 13))
  t.not(hourOf(received[0] as Received), hourOf(received[1] as Received))
})
