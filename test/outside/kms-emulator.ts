import { X509Certificate } from 'node:crypto'
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  KMSClient,
} from '@aws-sdk/client-kms'
import t from 'tap'
import { createIssuer } from '../../src/pki/ca.ts'
import { openKmsSigner } from '../../src/pki/kms-signer.ts'
import { identityOf, makeRequest } from '../support/client.ts'
import { startMinistack } from '../support/ministack.ts'
import { layGround } from '../support/processes.ts'
import { missingTools } from '../support/tools.ts'

t.test('an issuer whose key never leaves the KMS of an emulator', { skip: missingTools('ministack') }, async (t) => {
  const aws = await startMinistack()
  t.teardown(aws.stop)
  const { endpoint, region, credentials } = aws
  const client = { endpoint, region, credentials }
  const kms = new KMSClient(client)
  t.teardown(() => kms.destroy())
  const created = await kms.send(new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }))
  const { KeyId = '', Arn = '' } = created.KeyMetadata ?? {}
  await kms.send(new CreateAliasCommand({ AliasName: 'alias/issuer', TargetKeyId: KeyId }))

  const ground = await layGround()
  t.teardown(ground.end)
  const { root, root_pem, env } = ground.authority
  const signer = await openKmsSigner({ keyId: 'alias/issuer', client })
  t.teardown(signer.close)
  t.equal(signer.keyArn, Arn)
  const { pem } = await createIssuer({
    root,
    publicKey: signer.publicKey,
    common_name: 'issuer in KMS',
    usage: 'client',
    now: Date.now(),
  })

  for (const keyId of [KeyId, Arn, 'alias/issuer'])
    await t.test(`named by ${keyId}`, async (t) => {
      const server = await ground.start([], {
        ...aws.env,
        AIRUNNER_ISSUER_KEY: '',
        AIRUNNER_ISSUER_KMS_KEY_ID: keyId,
        // The first admin's certificate is of the other one, which this server has no key of.
        AIRUNNER_ISSUER_CERT: pem + env.AIRUNNER_ISSUER_CERT,
      })
      t.teardown(() => server.end('SIGINT'))
      const admin = ground.clientOf(ground.admin, server.mtls)
      const principal_id = `worker-${Math.random().toString(36).slice(2)}`
      t.equal((await admin.post('/v1/principals', { principal_id, type: 'worker' })).status, 201)
      const { key, csr_pem } = await makeRequest()
      const issued = await admin.post('/v1/certificates', { principal_id, csr_pem })
      t.equal(issued.status, 201, JSON.stringify(issued.body))
      const leaf = new X509Certificate(issued.body.certificate_pem)
      t.ok(leaf.verify(signer.publicKey))
      t.ok(new X509Certificate(pem).verify(new X509Certificate(root_pem).publicKey))
      const worker = ground.clientOf(identityOf(issued.body, key), server.mtls)
      t.equal((await worker.get('/v1/whoami')).status, 200)

      const ready = async () => (await fetch(`http://${server.health}/readyz`)).text()
      await kms.send(new DisableKeyCommand({ KeyId }))
      const refused = await worker.post('/v1/renewals', { csr_pem: (await makeRequest()).csr_pem })
      t.match(refused, { status: 503, body: { code: 'issuer_unavailable' } })
      t.match(await ready(), /issuer/)
      await kms.send(new EnableKeyCommand({ KeyId }))
      const until = Date.now() + 90_000
      while (/issuer/.test(await ready()) && Date.now() < until) await new Promise((done) => setTimeout(done, 200))
      t.notMatch(await ready(), /issuer/, 'good again by itself')
      const path = `/v1/certificates/${issued.body.certificate.serial_number}/revoke`
      t.equal((await admin.post(path, { reason: 'unspecified' })).status, 200)
      t.equal((await worker.get('/v1/whoami')).status, 401)
    })
})
