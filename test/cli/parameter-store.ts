import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { openParameterStore } from '../../src/cli/bootstrap/parameter-store.ts'

const names = ['ca-cert', 'issuer-cert', 'server-key', 'server-cert'].map((name) => `/airunner/prod/${name}`)
const described = names.map((Name) =>
  Name.endsWith('key')
    ? { Name, Type: 'SecureString', Tier: 'Standard', DataType: 'text', KeyId: 'alias/aws/ssm' }
    : { Name, Type: 'String', Tier: 'Standard', DataType: 'text' },
)
/** As the documentation of DescribeParameters says: pages may be empty, and only a missing token ends them. */
const pages: Record<string, object> = {
  first: { Parameters: [], NextToken: 'second' },
  second: { Parameters: described.slice(0, 1), NextToken: 'third' },
  third: { Parameters: described.slice(1) },
}
const puts: Record<string, unknown>[] = []
let hang = false
const server = createServer(async (request, response) => {
  let text = ''
  for await (const part of request) text += part
  const body = JSON.parse(text)
  const operation = String(request.headers['x-amz-target']).split('.')[1]
  if (operation === 'PutParameter') {
    puts.push(body)
    if (hang) return
  }
  const answer =
    operation === 'DescribeParameters'
      ? pages[body.NextToken ?? 'first']
      : operation === 'GetParameters'
        ? { Parameters: names.map((Name) => ({ Name, Value: 'x' })) }
        : {}
  response.setHeader('content-type', 'application/x-amz-json-1.1')
  response.end(JSON.stringify(answer))
})
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
const before = { ...process.env }
t.teardown(() => {
  process.env = before
  server.closeAllConnections()
  server.close()
})
Object.assign(process.env, {
  AWS_ENDPOINT_URL_SSM: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
})
const store = openParameterStore('/airunner/prod', 'us-east-1')
t.teardown(() => store.close())

t.test('every page is read', async (t) => {
  t.equal((await store.read())['server-key'], 'x')
  t.equal(await store.serverKeyEncryption(), 'alias/aws/ssm')
})

t.test('the key is encrypted as told, and everything else stays as it was', async (t) => {
  await store.write('server-key', 'one', { kmsKey: 'alias/ours' })
  await store.write('server-cert', 'two')
  t.match(puts, [
    { Type: 'SecureString', KeyId: 'alias/ours' },
    { Type: 'String', KeyId: undefined },
  ])
})

t.test('no try of a write outlives its signal', async (t) => {
  hang = true
  puts.length = 0
  await t.rejects(store.write('server-cert', 'three', { signal: AbortSignal.timeout(200) }), {
    message: 'cannot write the parameter /airunner/prod/server-cert',
  })
  t.equal(puts.length, 1)
})
