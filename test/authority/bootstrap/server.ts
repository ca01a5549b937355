import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { type ServerDeps, settleServer } from '../../../src/authority/bootstrap/server.ts'
import { sha256Hex } from '../../../src/core/bytes.ts'
import { day } from '../../../src/core/time.ts'
import { createIssuer, createRoot } from '../../../src/pki/ca.ts'
import { issuerOf } from '../../../src/pki/issuer.ts'
import { generateKeyPair, privateKeyPem } from '../../../src/pki/keys.ts'
import { makeLocalSigner } from '../../../src/pki/local-signer.ts'
import { checkServerChain, readTrustBundle } from '../../../src/pki/trust.ts'

const now = Date.now()
const makeAuthority = async () => {
  const rootSigner = makeLocalSigner(generateKeyPair().privateKey)
  const root = await createRoot({ signer: rootSigner, common_name: 'root', now })
  const pair = generateKeyPair()
  const made = await createIssuer({
    root: { certificate: new X509Certificate(root.der), signer: rootSigner },
    publicKey: pair.publicKey,
    common_name: 'servers',
    usage: 'server',
    now,
  })
  return { serverIssuer: issuerOf(made.der, makeLocalSigner(pair.privateKey)), bundle: readTrustBundle(root.pem, now) }
}
const [authority, other] = [await makeAuthority(), await makeAuthority()]

const parametersOf = ({ keyPem = 'placeholder', chainPem = 'placeholder' } = {}) => ({
  'ca-cert': authority.bundle.pem,
  'issuer-cert': 'placeholder',
  'server-key': keyPem,
  'server-cert': chainPem,
})
let asked = 0
const settle = (server: { keyPem?: string; chainPem?: string }, more: Partial<ServerDeps> = {}) =>
  settleServer({
    hostname: 'plane.example.com',
    clock: () => now,
    parameters: parametersOf(server),
    ...authority,
    replaceable: [],
    rotate: false,
    approveRotation: async () => void asked++,
    ...more,
  })

const first = await settle({})
const ofOther = await settle({}, other)

t.test('it is made, found, and renewed with a new key when it is near its end', async (t) => {
  t.equal(first.outcome, 'made')
  const check = { hostname: 'plane.example.com', bundle: authority.bundle, now }
  t.same(checkServerChain({ ...first, ...check }), [])
  t.match(await settle(first), { outcome: 'found', keyPem: first.keyPem, chainPem: first.chainPem })
  t.match(await settle(first, { clock: () => now + 44 * day }), { outcome: 'found' })
  const late = await settle(first, { clock: () => now + 46 * day })
  t.match(late, { outcome: 'renewed', detail: /the one before ends at/ })
  t.not(late.keyPem, first.keyPem)
  t.match(await settle(first, { clock: () => now + 100 * day }), { outcome: 'renewed' }, 'also when it has ended')
  t.same(checkServerChain({ ...late, ...check, now: now + 46 * day }), [])
})

t.test('a key that was found is never certified: who put it there may know it', async (t) => {
  const planted = generateKeyPair()
  for (const [chainPem, outcome, detail] of [
    ['placeholder', 'made', /had no certificate/],
    [first.chainPem, 'renewed', /did not belong to the key/],
  ] as const) {
    const mended = await settle({ keyPem: privateKeyPem(planted.privateKey), chainPem })
    t.match(mended, { outcome, detail })
    t.notOk(new X509Certificate(mended.chainPem).publicKey.equals(planted.publicKey))
    t.same(checkServerChain({ ...mended, hostname: 'plane.example.com', bundle: authority.bundle, now }), [])
  }
  t.match(await settle({ chainPem: first.chainPem }), { outcome: 'renewed' }, 'nor a certificate left without its key')
})

t.test('a key that was encrypted for somebody else gives way to a new one', async (t) => {
  const renewed = await settle(first, { wrongKmsKey: 'alias/aws/ssm' })
  t.match(renewed, { outcome: 'renewed', detail: 'server-key was encrypted with another KMS key: alias/aws/ssm' })
  t.not(renewed.keyPem, first.keyPem)
  t.match(await settle({}, { wrongKmsKey: 'alias/aws/ssm' }), { outcome: 'made', detail: undefined })
})

t.test('a run a month keeps a certificate that never ends', async (t) => {
  let current = first
  for (let month = 1; month <= 6; month++) {
    const at = now + month * 31 * day
    t.same(checkServerChain({ ...current, hostname: 'plane.example.com', bundle: authority.bundle, now: at }), [])
    current = await settle(current, { clock: () => at })
  }
})

t.test('what does not fit is named and stays, unless it is told to go', async (t) => {
  const wrongs: [string, { keyPem?: string; chainPem?: string }, RegExp, Partial<ServerDeps>?][] = [
    ['of another authority', ofOther, /of another authority/],
    [
      'of another name',
      first,
      /names plane.example.com, expected other.example.com/,
      { hostname: 'other.example.com' },
    ],
    ['no certificate', { ...first, chainPem: 'hello' }, /server-cert holds no certificate/],
    ['no key', { ...first, keyPem: 'hello' }, /server-key holds no private key/],
    ['two keys', { ...first, keyPem: first.keyPem + privateKeyPem(generateKeyPair().privateKey) }, /no private key/],
  ]
  for (const [name, server, message, more] of wrongs)
    await t.rejects(settle(server, more), { name: 'BootstrapProblem', message, next: /--rotate-server-cert/ }, name)

  asked = 0
  const rotated = await settle(ofOther, { rotate: true })
  t.match(rotated, { outcome: 'replaced' })
  t.equal(asked, 1, 'and it was asked')
  t.match(await settle(ofOther, { replaceable: [sha256Hex(ofOther.chainPem)] }), { outcome: 'replaced' })
  await t.rejects(settle(first, { rotate: true, approveRotation: () => Promise.reject(new Error('no')) }), /no/)
})
