import t from 'tap'
import { isControlError } from '../../src/core/errors.ts'
import { isSerialNumber } from '../../src/core/ids.ts'
import { day, minute, second } from '../../src/core/time.ts'
import { chooseValidity, publishedAt, spiffeIdOf, subjectDnOf } from '../../src/pki/profile.ts'
import { newSerialNumber } from '../../src/pki/serial.ts'

const now = Date.UTC(2026, 10, 21, 7, 5, 48) + 321
const start = now - 321
const rules = { now, max_validity: 90 * day, issuer_not_after: start + 365 * day }

t.test('validity runs from a minute ago until what was asked', async (t) => {
  t.same(chooseValidity(rules), { not_before: start - minute, expires_at: start + 90 * day })
  t.same(chooseValidity({ ...rules, max_validity: day }), { not_before: start - minute, expires_at: start + day })
  for (const asked_seconds of [300, 301, 86400, (90 * day) / second])
    t.equal(chooseValidity({ ...rules, asked_seconds }).expires_at, start + asked_seconds * second)
})

t.test('validity never passes the end of the issuer', async (t) => {
  const issuer_not_after = start + 10 * day
  t.equal(chooseValidity({ ...rules, issuer_not_after }).expires_at, issuer_not_after)
  t.equal(chooseValidity({ ...rules, issuer_not_after, asked_seconds: 600 }).expires_at, start + 600 * second)
})

const refusalOf = (changes: Partial<Parameters<typeof chooseValidity>[0]>): unknown => {
  try {
    return chooseValidity({ ...rules, ...changes })
  } catch (error) {
    return error
  }
}

t.test('a validity that is too short, too long or no whole number is refused, and the field is named', async (t) => {
  for (const asked_seconds of [299, 0, -1, 300.5, Number.NaN, Number.POSITIVE_INFINITY, (90 * day) / second + 1]) {
    const refusal = refusalOf({ asked_seconds })
    t.ok(isControlError(refusal, 'invalid_request'), String(asked_seconds))
    t.match(refusal, { errors: [{ pointer: '/validity_seconds', detail: /from 300 to 7776000/ }] })
  }
})

t.test('an issuer about to expire issues nothing', async (t) => {
  for (const issuer_not_after of [start + 299 * second, start, start - day])
    t.ok(isControlError(refusalOf({ issuer_not_after }), 'issuer_unavailable'))
  t.equal(
    (refusalOf({ issuer_not_after: start + 300 * second }) as { expires_at: number }).expires_at,
    start + 300 * second,
  )
})

t.test('a principal is named alike in subject and URI', async (t) => {
  t.equal(spiffeIdOf({ hostname: 'a.example.com' }, 'worker', 'w-1'), 'spiffe://a.example.com/worker/w-1')
  t.equal(subjectDnOf('w-1'), 'CN=w-1')
  t.equal(subjectDnOf('w'.repeat(64)), `CN=${'w'.repeat(64)}`)
  t.equal(subjectDnOf('w'.repeat(65)), '')
  t.equal(publishedAt({}, 'abc'), undefined)
  t.equal(publishedAt({ public_url: 'http://a:81/' }, 'abc')?.crl, 'http://a:81/pki/issuers/abc.crl')
})

t.test('serial numbers are positive, of 16 octets and in the order of time', async (t) => {
  for (const at of [now, Date.UTC(2004, 11, 1), Date.UTC(2100, 0, 1)]) {
    const serial = newSerialNumber(at)
    t.ok(isSerialNumber(serial))
    t.match(serial, /^0[1-9a-f]/)
  }
  t.ok(newSerialNumber(now) < newSerialNumber(now + 1))
})
