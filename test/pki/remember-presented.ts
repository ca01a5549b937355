import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { makeIssueClientCertificate } from '../../src/pki/certificate.ts'
import { presentedBy } from '../../src/pki/inspect.ts'
import { rememberPresented } from '../../src/pki/remember-presented.ts'
import { makeGrant, makeHierarchy, profile } from './fixtures/hierarchy.ts'

const now = Date.now()
const { clients } = await makeHierarchy(now)
const issue = makeIssueClientCertificate({ issuer: clients, profile })
const certificate = (): Promise<Buffer> => issue(makeGrant(now))

/** A memory that notes which certificates were really looked at. */
const remembering = (most?: number, issuers = [clients]) => {
  const looked: string[] = []
  const present = rememberPresented((one) => {
    looked.push(one.serialNumber)
    return presentedBy(one, issuers, profile)
  }, most)
  return { present: (der: Buffer) => present(new X509Certificate(der)), looked }
}

t.test('a certificate that comes back is looked at once, and presented as it was', async (t) => {
  const der = await certificate()
  const { present, looked } = remembering()
  const first = present(der)
  t.same(first, presentedBy(new X509Certificate(der), [clients], profile))
  t.equal(present(der), first)
  t.equal(looked.length, 1)
})

t.test('another certificate of the same holder, or one with an octet changed, is looked at for itself', async (t) => {
  const [der, other] = [await certificate(), await certificate()]
  const { present, looked } = remembering()
  t.not(present(der)?.serial_number, undefined)
  t.not(present(other)?.fingerprint, present(der)?.fingerprint)
  const forged = Buffer.from(der)
  forged.writeUInt8(forged.readUInt8(forged.length - 1) ^ 1, forged.length - 1)
  t.equal(present(forged), undefined, 'its signature is wrong')
  t.equal(looked.length, 3)
})

t.test('what is not ours takes no place, and is looked at each time', async (t) => {
  const der = await certificate()
  const { present, looked } = remembering(1, [])
  for (let time = 0; time < 3; time++) t.equal(present(der), undefined)
  t.equal(looked.length, 3)
})

t.test('so many are remembered, and who came last is kept longest', async (t) => {
  const [a, b, c] = [await certificate(), await certificate(), await certificate()]
  const { present, looked } = remembering(2)
  for (const der of [a, b, a, c]) present(der)
  t.equal(looked.length, 3)
  present(a)
  t.equal(looked.length, 3, 'it was used after the other')
  present(b)
  t.equal(looked.length, 4, 'it had to go')
})
