import t, { type Test } from 'tap'
import { type RootDeps, settleAuthorities } from '../../../src/authority/bootstrap/root.ts'
import type { SecretShelf, SecretVersions } from '../../../src/authority/bootstrap/shelves.ts'
import { vaultVersion } from '../../../src/authority/bootstrap/vault.ts'
import { noRotation } from '../../../src/authority/bootstrap/vault-entries.ts'
import { sha256Hex } from '../../../src/core/bytes.ts'
import { day } from '../../../src/core/time.ts'
import { createRoot } from '../../../src/pki/ca.ts'
import { generateKeyPair, privateKeyPem } from '../../../src/pki/keys.ts'
import { makeLocalSigner } from '../../../src/pki/local-signer.ts'
import { certificatePem } from '../../../src/pki/pem.ts'
import { makeBootstrapRecords } from '../../../src/store/bootstrap-record.ts'
import { startTestStore } from '../../support/store.ts'

/** Secrets in memory: what Secrets Manager does with versions and labels. */
const makeShelf = () => {
  const texts = new Map<string, string>()
  let current: string | undefined
  const shelf: SecretShelf = {
    versions: async (name): Promise<SecretVersions> =>
      name === 'issuer-key' ? { ids: [], current: undefined } : { ids: [...texts.keys()], current },
    read: async (_, version) => texts.get(version),
    stage: async (_, version, text) => void texts.set(version, text),
    promote: async (_, version) => {
      current = version
    },
  }
  return { shelf, texts, current: () => current }
}

const placeholders = { 'ca-cert': 'placeholder', 'issuer-cert': '', 'server-cert': 'placeholder', 'server-key': '' }

const start = async (t: Pick<Test, 'teardown'>, secrets = makeShelf()) => {
  const store = await startTestStore()
  t.teardown(store.stop)
  const settle = (more: Partial<RootDeps> = {}) =>
    settleAuthorities({
      hostname: 'plane.example.com',
      clock: Date.now,
      records: makeBootstrapRecords(store.store),
      secrets: secrets.shelf,
      parameters: placeholders,
      openKmsSigner: () => Promise.reject(new Error('no KMS here')),
      waitingKmsKey: async () => undefined,
      acceptRoots: [],
      forceNewCa: false,
      rotation: async () => noRotation,
      approveNewCa: async () => undefined,
      ...more,
    })
  return { settle, secrets, records: makeBootstrapRecords(store.store) }
}
t.test('issuers near their end are certified again with the same keys; the root stays', async (t) => {
  const { settle } = await start(t)
  const first = await settle()
  t.equal(first.outcome, 'made')
  t.equal((await settle()).outcome, 'found')
  const later = await settle({ clock: () => Date.now() + 270 * day })
  t.equal(later.outcome, 'renewed')
  t.equal(later.record.root_sha256, first.record.root_sha256)
  t.equal(later.issuer.issuer_id, first.issuer.issuer_id)
  t.not(later.issuer.pem, first.issuer.pem)
  t.ok(later.vault.serverIssuer.key.equals(first.vault.serverIssuer.key))
  t.equal((await settle({ clock: () => Date.now() + 270 * day })).outcome, 'found')
})

t.test('of two that found nothing, the one that is on record first has made the root', async (t) => {
  const secrets = makeShelf()
  const { settle, records } = await start(t, secrets)
  // Both have read that there is nothing, and both have put their keys into the secret.
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  const shelf: SecretShelf = {
    ...secrets.shelf,
    read: async (name, version) => {
      if (++arrived === 2) gate.resolve()
      await gate.promise
      return secrets.shelf.read(name, version)
    },
  }
  const both = await Promise.allSettled([settle({ secrets: shelf }), settle({ secrets: shelf })])
  const winners = both.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  t.equal(winners.length, 1)
  const loser = both.find((each) => each.status === 'rejected')
  t.match((loser as PromiseRejectedResult).reason, {
    name: 'BootstrapProblem',
    message: /was first, and its root is the one/,
  })
  const [winner] = winners
  t.equal((await records.get())?.vault_version, winner && vaultVersion(winner.vault))
  t.equal((await settle()).record.root_sha256, winner?.record.root_sha256)
})

t.test('the record is followed, whatever version is current; a lost one is found under another', async (t) => {
  const secrets = makeShelf()
  const { settle } = await start(t, secrets)
  const first = await settle()
  await secrets.shelf.stage('ca-key', 'another', privateKeyPem(generateKeyPair().privateKey))
  await secrets.shelf.promote('ca-key', 'another', undefined)
  const again = await settle()
  t.equal(again.record.root_sha256, first.record.root_sha256)
  t.equal(secrets.current(), first.record.vault_version, 'and is current again')

  const text = secrets.texts.get(first.record.vault_version) as string
  secrets.texts.clear()
  await t.rejects(settle(), { name: 'BootstrapProblem', message: /no longer holds the root/ })
  secrets.texts.set('put-back', text)
  await secrets.shelf.promote('ca-key', 'put-back', undefined)
  t.equal((await settle()).record.root_sha256, first.record.root_sha256)
})

t.test('a root that others put beside ours is refused until it is accepted by name, and then remembered', async (t) => {
  const { settle } = await start(t)
  const first = await settle()
  const ours = certificatePem(first.vault.root.certificate.raw)
  const other = async () => {
    const signer = makeLocalSigner(generateKeyPair().privateKey)
    const { pem, der } = await createRoot({ signer, common_name: 'other', now: Date.now() })
    return { pem, sha256: sha256Hex(der) }
  }
  const [known, foreign] = [await other(), await other()]
  const parametersWith = (...pems: string[]) => ({ ...placeholders, 'ca-cert': pems.join('') })
  const refused = (sha256: string) => ({
    name: 'BootstrapProblem',
    message: new RegExp(`did not put there: the root sha256:${sha256}$`),
    next: new RegExp(`--accept-root sha256:${sha256}$`),
  })
  t.equal((await settle({ parameters: parametersWith(ours) })).outcome, 'found')
  await t.rejects(settle({ parameters: parametersWith(ours, known.pem) }), refused(known.sha256))
  const accepted = await settle({ parameters: parametersWith(known.pem, ours), acceptRoots: [known.sha256] })
  t.match(accepted, { detail: `accepted beside it: sha256:${known.sha256}` })
  t.same(accepted.record.accepted_roots, [known.sha256])
  t.match(await settle({ parameters: parametersWith(ours, known.pem) }), { outcome: 'found', detail: undefined })
  await t.rejects(settle({ parameters: parametersWith(ours, known.pem, foreign.pem) }), refused(foreign.sha256))
  await t.rejects(settle({ parameters: parametersWith(ours), acceptRoots: [foreign.sha256] }), /holds no root sha256/)
  t.equal((await settle({ parameters: parametersWith(ours) })).record.accepted_roots, undefined, 'until it is gone')
  await t.rejects(settle({ parameters: parametersWith(ours, known.pem) }), refused(known.sha256))
})

t.test('a new CA gets past a secret that cannot be read, and is asked for', async (t) => {
  for (const made of [false, true]) {
    const secrets = makeShelf()
    const { settle } = await start(t, secrets)
    const before = made ? await settle() : undefined
    secrets.texts.clear()
    await secrets.shelf.stage('ca-key', 'garbage', 'hello')
    await secrets.shelf.promote('ca-key', 'garbage', undefined)
    await t.rejects(settle(), { message: /the secret ca-key/ })
    const refuse = () => Promise.reject(new Error('not wanted'))
    await t.rejects(settle({ forceNewCa: true, approveNewCa: refuse }), /not wanted/)
    const anew = await settle({ forceNewCa: true })
    t.equal(anew.outcome, 'replaced')
    t.not(anew.record.root_sha256, before?.record.root_sha256)
    t.equal(secrets.current(), anew.record.vault_version)
  }
})

t.test('a first run that is not told of the KMS key that waits for it makes nothing', async (t) => {
  const { settle, secrets } = await start(t)
  const waitingKmsKey = async () => 'alias/airunner-prod-issuer'
  await t.rejects(settle({ waitingKmsKey }), {
    name: 'BootstrapProblem',
    next: /--kms-issuer-key alias\/airunner-prod-issuer, or --kms-issuer-key none/,
  })
  t.equal(secrets.texts.size, 0)
  const first = await settle({ waitingKmsKey, kmsIssuerKey: false })
  t.ok(first.vault.issuer.key, 'told otherwise, it makes one of its own')
  t.equal((await settle({ waitingKmsKey })).outcome, 'found', 'and need not be told again')
})
