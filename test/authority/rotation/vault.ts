import t, { type Test } from 'tap'
import { settleAuthorities } from '../../../src/authority/bootstrap/root.ts'
import type { ParameterShelf, Parameters, SecretName, SecretShelf } from '../../../src/authority/bootstrap/shelves.ts'
import { readVault } from '../../../src/authority/bootstrap/vault.ts'
import { idOf, noRotation, type RotationState } from '../../../src/authority/bootstrap/vault-entries.ts'
import type { KnownAuthorities } from '../../../src/authority/rotation/known-authorities.ts'
import { prepareIssuerInVault } from '../../../src/authority/rotation/vault-issuer.ts'
import { prepareRootInVault } from '../../../src/authority/rotation/vault-root.ts'
import { withdrawIssuer } from '../../../src/authority/rotation/withdraw-issuer.ts'
import { withdrawRoot } from '../../../src/authority/rotation/withdraw-root.ts'
import { sha256Hex } from '../../../src/core/bytes.ts'
import { toRfc3339 } from '../../../src/core/time.ts'
import { issuerOf } from '../../../src/pki/issuer.ts'
import { signedBy } from '../../../src/pki/path.ts'
import { certificatePem } from '../../../src/pki/pem.ts'
import { readCertificateChain } from '../../../src/pki/trust.ts'
import { makeBootstrapRecords } from '../../../src/store/bootstrap-record.ts'
import type { Authority } from '../../../src/wire/authorities.ts'
import { startTestStore } from '../../support/store.ts'

/** Secrets and parameters in memory, as AWS keeps them; every write may be the last thing that a run does. */
const makeShelves = () => {
  const texts = new Map<string, string>()
  const current = new Map<SecretName, string>()
  const values: Parameters = { 'ca-cert': '', 'issuer-cert': '', 'server-cert': '', 'server-key': '' }
  let left = Number.POSITIVE_INFINITY
  const writes: string[] = []
  const write = (what: string, run: () => void) => {
    if (left-- <= 0) throw new Error('killed')
    writes.push(what)
    run()
  }
  const secrets: SecretShelf = {
    versions: async (name) => ({
      ids: [...texts.keys()].filter((key) => key.startsWith(name)).map((key) => key.slice(name.length + 1)),
      current: current.get(name),
      changed_at: 0,
    }),
    read: async (name, version) => texts.get(`${name} ${version}`),
    stage: async (name, version, text) => write(`stage ${name}`, () => texts.set(`${name} ${version}`, text)),
    promote: async (name, version) => write(`promote ${name}`, () => current.set(name, version)),
  }
  const parameters: ParameterShelf = {
    read: async () => ({ ...values }),
    write: async (name, text) =>
      write(name, () => {
        values[name] = text
      }),
    serverKeyEncryption: async () => undefined,
  }
  return {
    secrets,
    parameters,
    values,
    writes,
    keys: () => texts.get(`issuer-key ${current.get('issuer-key')}`)?.match(/BEGIN/g)?.length ?? 0,
    vault: () => readVault(texts.get(`ca-key ${current.get('ca-key')}`) ?? ''),
    killAfter: (count: number) => {
      left = count
    },
  }
}

/** A deployment after its first bootstrap, and what its plane says. */
const start = async (t: Pick<Test, 'teardown'>) => {
  const { store, stop } = await startTestStore()
  t.teardown(stop)
  const records = makeBootstrapRecords(store)
  const shelves = makeShelves()
  const known = new Map<string, Authority>()
  let active = ''
  const tell = (pem: string, kind: 'issuer' | 'root', more: Partial<Authority>) => {
    const { issuer_id, certificate, not_after } = issuerOf(readCertificateChain(pem)[0]?.raw ?? Buffer.alloc(0))
    const root = readCertificateChain(shelves.values['ca-cert']).find((each) => signedBy(certificate, each))
    known.set(issuer_id, {
      issuer_id,
      kind,
      state: kind === 'root' ? 'trusted' : 'prepared',
      subject_dn: certificate.subject,
      sha256: sha256Hex(certificate.raw),
      not_before: toRfc3339(0),
      expires_at: toRfc3339(not_after),
      ...(root === undefined ? {} : { root_sha256: sha256Hex(root.raw) }),
      certificate_pem: pem,
      version: 1,
      ...more,
    })
    return known.get(issuer_id) as Authority
  }
  const plane: KnownAuthorities = {
    list: async () => [...known.values()],
    prepare: async (pem) => tell(pem, 'issuer', {}),
  }
  const rotation = (): RotationState => ({
    active,
    removed: new Set([...known.values()].filter(({ state }) => state === 'removed').map(({ issuer_id }) => issuer_id)),
    kmsKeys: new Map(),
  })
  const settle = (state: RotationState = rotation()) =>
    settleAuthorities({
      hostname: 'plane.example.com',
      clock: Date.now,
      records,
      secrets: shelves.secrets,
      parameters: shelves.values,
      openKmsSigner: () => Promise.reject(new Error('no KMS here')),
      waitingKmsKey: async () => undefined,
      acceptRoots: [],
      forceNewCa: false,
      approveNewCa: async () => undefined,
      rotation: async () => state,
    })
  const first = await settle(noRotation)
  shelves.values['ca-cert'] = certificatePem(first.vault.root.certificate.raw)
  shelves.values['issuer-cert'] = first.issuer.pem
  const activate = (id: string) => {
    for (const each of known.values()) if (each.state === 'active') each.state = 'prepared'
    active = id
    Object.assign(known.get(id) ?? {}, { state: 'active', activated_at: toRfc3339(1) })
  }
  const learnRoots = () => {
    for (const each of readCertificateChain(shelves.values['ca-cert'])) tell(certificatePem(each.raw), 'root', {})
  }
  learnRoots()
  tell(first.issuer.pem, 'issuer', {})
  activate(first.issuer.issuer_id)
  const deps = { records, ...shelves, plane, clock: Date.now }
  return { shelves, deps, known, activate, learnRoots, settle, rotation, first }
}

t.test(
  'a new issuer, killed behind each write: there is never a second one, and the key comes behind its certificate',
  async (t) => {
    const { shelves, deps, known, settle, first } = await start(t)
    shelves.writes.length = 0
    const made = new Set<string>()
    for (let writes = 0; ; writes++) {
      t.ok(writes < 12, 'it comes to its end')
      // The first kill is behind the first write, then behind two at least: before the record there is nothing to find.
      shelves.killAfter(writes === 0 ? 1 : 2)
      const prepared = await prepareIssuerInVault(deps).catch((error: Error) => {
        if (error.message !== 'killed') throw error
      })
      shelves.killAfter(Number.POSITIVE_INFINITY)
      for (const { issuer_id, state } of known.values()) if (state === 'prepared') made.add(issuer_id)
      t.ok(made.size <= 1)
      const certificates = readCertificateChain(shelves.values['issuer-cert']).length
      t.ok(shelves.keys() <= certificates, 'no key without its certificate')
      t.equal((await settle()).issuer.issuer_id, first.issuer.issuer_id, 'bootstrap goes on as before')
      if (prepared !== undefined) break
    }
    const again = await prepareIssuerInVault(deps)
    t.equal(again.found, true)
    t.same(again.written, [])
    t.same([...made], [again.authority.issuer_id])
    t.equal(shelves.keys(), 2)
    t.equal(shelves.vault().others?.length, 1)
  },
)

t.test('an issuer that is given up leaves nothing behind, and the next one is another', async (t) => {
  const { shelves, deps, known, settle, rotation, first } = await start(t)
  const { authority } = await prepareIssuerInVault(deps)
  Object.assign(known.get(authority.issuer_id) ?? {}, { state: 'removed' })
  const withdrawal = { ...deps, rotation: rotation(), startedBefore: async () => [] }
  t.same(await withdrawIssuer(withdrawal, authority.issuer_id), {
    written: ['ca-key', 'issuer-key', 'issuer-cert'],
    waitsFor: [],
  })
  t.equal(shelves.values['issuer-cert'], first.issuer.pem)
  t.equal(shelves.keys(), 1)
  t.equal((await settle()).outcome, 'found')
  const next = await prepareIssuerInVault(deps)
  t.not(next.authority.issuer_id, authority.issuer_id)
  t.same(next.written, ['issuer-cert', 'issuer-key'])
})

t.test('what is removed and still in the vault is not published again', async (t) => {
  const { shelves, deps, known } = await start(t)
  // Cut off before it was published, and removed without the secrets.
  shelves.killAfter(2)
  await t.rejects(prepareIssuerInVault(deps), { message: 'killed' })
  shelves.killAfter(Number.POSITIVE_INFINITY)
  const cut = [...known.values()].at(-1)
  t.match(cut, { kind: 'issuer', state: 'prepared' })
  Object.assign(cut ?? {}, { state: 'removed' })
  await prepareIssuerInVault(deps)
  t.notOk(shelves.values['issuer-cert'].includes(cut?.certificate_pem ?? ''))
  t.equal(readCertificateChain(shelves.values['issuer-cert']).length, 2)
})

t.test('a root comes and goes, and bootstrap follows what signs', async (t) => {
  const { shelves, deps, known, activate, learnRoots, settle, rotation, first } = await start(t)
  const oldRoot = idOf(first.vault.root)
  const root = await prepareRootInVault(deps)
  t.equal((await prepareRootInVault(deps)).found, true)
  t.equal(readCertificateChain(shelves.values['ca-cert']).length, 2)
  await t.rejects(prepareIssuerInVault(deps), { message: /do not trust the root/ })
  learnRoots()
  t.equal((await settle()).outcome, 'found')
  const { authority } = await prepareIssuerInVault(deps)
  t.ok(signedBy(readCertificateChain(authority.certificate_pem)[0] as never, root.certificate))

  activate(authority.issuer_id)
  const settled = await settle()
  t.equal(settled.outcome, 'renewed')
  t.equal(settled.issuer.issuer_id, authority.issuer_id)
  t.ok(signedBy(settled.serverIssuer.certificate, root.certificate), 'what certifies the server next')
  t.equal(settled.serverIssuers.length, 2)
  t.equal((await settle()).outcome, 'found')
  await t.rejects(prepareRootInVault(deps), { message: /the root before is still trusted/ })
  activate(first.issuer.issuer_id)
  t.equal((await settle()).issuer.issuer_id, first.issuer.issuer_id, 'and back')
  activate(authority.issuer_id)

  const withdraw = (servers: string[]) =>
    withdrawIssuer({ ...deps, rotation: rotation(), startedBefore: async () => servers }, first.issuer.issuer_id)
  await t.rejects(withdraw([]), { message: /has not been removed from the plane/ })
  Object.assign(known.get(first.issuer.issuer_id) ?? {}, { state: 'removed' })
  t.same(await withdraw(['one']), { written: ['ca-key', 'issuer-key'], waitsFor: ['one'] })
  t.equal(shelves.keys(), 1)
  const remove = (id: string) => withdrawRoot({ ...deps, rotation: rotation(), known: [...known.values()] }, id)
  await t.rejects(remove(oldRoot), { message: /a certificate in issuer-cert/ })
  t.same(await withdraw([]), { written: ['issuer-cert'], waitsFor: [] })
  t.same(await withdraw([]), { written: [], waitsFor: [] })
  await t.rejects(remove(idOf(root)), { message: /is the root of the issuer that signs now/ })

  // Killed between the bundle and the vault.
  shelves.killAfter(1)
  await t.rejects(remove(oldRoot), { message: 'killed' })
  shelves.killAfter(Number.POSITIVE_INFINITY)
  t.equal((await settle()).outcome, 'renewed', 'the root that is gone is not on record any more')
  t.same(await remove(oldRoot), ['ca-key'])
  t.equal(shelves.vault().others, undefined)
  t.equal((await settle()).outcome, 'found')
  await t.rejects(remove(oldRoot), { message: /neither ca-cert nor the secret/, missing: true })
})
