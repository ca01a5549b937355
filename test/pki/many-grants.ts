import { randomInt } from 'node:crypto'
import t from 'tap'
import { principalTypes } from '../../src/core/principal.ts'
import { day, second } from '../../src/core/time.ts'
import { buildClientTbs, makeClientTbs } from '../../src/pki/client-tbs.ts'
import { generateKeyPair, spkiOf } from '../../src/pki/keys.ts'
import { newSerialNumber } from '../../src/pki/serial.ts'
import { makeGrant, makeHierarchy, profile, published } from './fixtures/hierarchy.ts'

const grants = 10_000
const among = <T>(values: readonly T[]): T => values[randomInt(values.length)] as T
const [ends, between] = ['abcdefghijklmnopqrstuvwxyz0123456789', 'abcdefghijklmnopqrstuvwxyz0123456789._-']

/** Any principal_id that there can be, short and long ones more often. */
const principalId = (): string => {
  const length = among([1, 2, 63, 64, 65, 127, 128, randomInt(1, 129)])
  return Array.from({ length }, (_, at) => among([...(at === 0 || at === length - 1 ? ends : between)])).join('')
}

t.test('the template and pkijs give the same octets for 10,000 random grants', async (t) => {
  const now = Date.now()
  const { clients } = await makeHierarchy(now)
  const templates = [
    profile,
    published,
    { ...published, oid_arc: `2.999.${randomInt(1e9)}`, public_url: `https://p${randomInt(1e6)}.example.com:8443/pki` },
    { ...profile, hostname: 'a'.repeat(60) },
  ].map((plane) => ({ plane, tbsOf: makeClientTbs(clients, plane) }))
  const keys = Array.from({ length: 200 }, () => spkiOf(generateKeyPair().publicKey))
  let different = 0
  for (let i = 0; i < grants; i++) {
    const { plane, tbsOf } = among(templates)
    // Up to the year 2059: from 2050 on a date is written in another way.
    const not_before = Math.floor((now + randomInt(12_000) * day + randomInt(86_400) * second) / second) * second
    const grant = makeGrant(now, {
      serial_number: newSerialNumber(now + randomInt(1e9)),
      principal_id: principalId(),
      principal_type: among(principalTypes),
      spki: among(keys),
      not_before,
      expires_at: not_before + randomInt(1, 90 * 86_400) * second,
    })
    if (tbsOf(grant).equals(buildClientTbs(clients, plane, grant))) continue
    different += 1
    if (different === 1) t.same(tbsOf(grant), buildClientTbs(clients, plane, grant), JSON.stringify(grant))
  }
  t.equal(different, 0, `${grants} grants`)
})
