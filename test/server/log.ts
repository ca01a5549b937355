import t from 'tap'
import { makeLog } from '../../src/server/log.ts'

const lines = async (write: (log: Awaited<ReturnType<typeof makeLog>>) => void, worker?: number) => {
  const written: string[] = []
  const destination = { write: (line: string) => void written.push(line) }
  write(await makeLog({ level: 'info', format: 'json', destination, ...(worker === undefined ? {} : { worker }) }))
  return written
}

t.test('the event comes first, then level and time', async (t) => {
  const [line = ''] = await lines((log) => log.info({ event: 'server_ready', port: 1 }))
  t.match(line, /^\{"event":"server_ready","level":"info","time":"\d{4}-\d\d-\d\dT[\d:.]+Z","port":1\}\n$/)
  t.match((await lines((log) => log.warn({ event: 'x' }), 3))[0], /^\{"event":"x",.*"worker":3\}\n$/)
  t.same(await lines((log) => log.debug({ event: 'x' })), [], 'below the level')
})

t.test('text from outside stays on one line, and cannot steer a terminal', async (t) => {
  const outside = 'a\n{"event":"forged"}\r\u0085\u2028\u2029\u001b[2J\u009b2J\u0000'
  const written = await lines((log) => log.info({ event: 'x', outside, err: new Error(outside) }))
  t.equal(written.length, 1)
  t.match(written[0], /^[^\n]*\n$/)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  t.notMatch(written[0], /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/)
  t.equal(JSON.parse(written[0] as string).outside, outside, 'and nothing of it is lost')
})

t.test('what must not be written is not', async (t) => {
  const pem = '-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----\n'
  const [line = ''] = await lines((log) =>
    log.error({
      event: 'x',
      detail: `found ${pem} there`,
      cut: pem.slice(0, 40),
      csr_pem: 'MIICSR',
      body: { join_token: 'plain' },
      command: 'enroll --token airj_abc-DEF_123',
      header: 'Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln',
      err: new Error(`cannot read ${pem}`),
    }),
  )
  t.notMatch(line, /MIGH|MIICSR|plain|abc-DEF|c2ln/)
  const { detail, command, header, csr_pem, err } = JSON.parse(line)
  t.same([detail, csr_pem], ['found [pem] there', '[redacted]'])
  t.same([command, header], ['enroll --token [join token]', 'Bearer [signed token]'])
  t.equal(err.message, 'cannot read [pem]')
})

t.test('an error keeps its code, cause and frames', async (t) => {
  const error = Object.assign(new Error('outer', { cause: new Error('inner') }), { code: 'store_unavailable' })
  const [line = ''] = await lines((log) => log.error({ event: 'x', err: error }))
  t.match(JSON.parse(line).err, {
    name: 'Error',
    message: 'outer',
    code: 'store_unavailable',
    cause: 'inner',
    stack: /^at /,
  })
})
