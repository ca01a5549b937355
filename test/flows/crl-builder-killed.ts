import t from 'tap'
import { minute } from '../../src/core/time.ts'
import { makeRequest, patiently } from '../support/client.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { layGround, type ServerProcess } from '../support/processes.ts'

t.setTimeout(200_000)
const ground = await layGround()
t.teardown(ground.end)
const proxy = await startFaultProxy(ground.store.engine.endpoint)
t.teardown(proxy.stop)
const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

const fetchCrl = async ({ pki }: ServerProcess): Promise<Buffer> => {
  for (;;) {
    const answer = await fetch(`http://${pki}/pki/issuers/${ground.authority.issuer.issuer_id}.crl`)
    const body = Buffer.from(await answer.arrayBuffer())
    if (answer.status === 200) return body
    if (answer.status !== 503) throw new Error(`the list is answered ${answer.status}`)
    await pause(50)
  }
}

t.test('the server that builds a list is killed in between: another one publishes it within a minute', async (t) => {
  const first = await ground.start(['--pki-listen', '127.0.0.1:0'], { AWS_ENDPOINT_URL_DYNAMODB: proxy.endpoint })
  await fetchCrl(first)
  const admin = ground.clientOf(ground.admin, first.mtls)
  const { csr_pem } = await makeRequest()
  await patiently(() => admin.post('/v1/principals', { principal_id: 'worker-1', type: 'worker' }))
  const { body } = await patiently(() => admin.post('/v1/certificates', { principal_id: 'worker-1', csr_pem }))
  const serial = Buffer.from(body.certificate.serial_number, 'hex')

  // It has written its chunk, and never learns of it: the head is not written, and the lease is held.
  const writing = Promise.withResolvers<void>()
  proxy.onCall = (operation, text) => {
    if (operation === 'PutItem' && text.includes('CRLCHUNKS#')) writing.resolve()
  }
  proxy.decide = (operation) => (operation === 'PutItem' ? { kind: 'hang-answer' } : { kind: 'pass' })
  const revoked = await patiently(() =>
    admin.post(`/v1/certificates/${body.certificate.serial_number}/revoke`, { reason: 'key_compromise' }),
  )
  t.equal(revoked.status, 200)
  await writing.promise
  const second = await ground.start(['--pki-listen', '127.0.0.1:0'])
  t.notOk((await fetchCrl(second)).includes(serial), 'a list that is half written is not given out')
  await first.end('SIGKILL')
  const killedAt = Date.now()
  while (!(await fetchCrl(second)).includes(serial)) {
    if (Date.now() > killedAt + 2 * minute) return t.fail('not on the list long after the kill')
    await pause(100)
  }
  t.match(await second.program.event('crl_published'), { entries: 1 })
})
