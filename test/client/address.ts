import t from 'tap'
import { parseServer, withPort } from '../../src/client/address.ts'
import { readFingerprint } from '../../src/client/fingerprint.ts'

const addresses: [text: string, expected: [url: string, host: string, port: number] | RegExp][] = [
  ['https://a.example', ['https://a.example', 'a.example', 443]],
  ['a.example:8444', ['https://a.example:8444', 'a.example', 8444]],
  ['https://[::1]:8444/', ['https://[::1]:8444', '::1', 8444]],
  ['http://a.example', /https/],
  ['https://a.example/v1', /path/],
  ['https://u:p@a.example', /certificate/],
  ['https://', /URL/],
]
for (const [text, expected] of addresses)
  t.test(`server ${text}`, async (t) => {
    const parsed = parseServer(text)
    if (expected instanceof RegExp) return t.match(parsed, expected)
    const [url, host, port] = expected
    return t.same(parsed, { url, host, port })
  })

t.test('the enrolment listener of the same host', async (t) => {
  for (const [text, url] of [
    ['https://a.example', 'https://a.example:8444'],
    ['https://[::1]:443', 'https://[::1]:8444'],
  ] as const) {
    const server = parseServer(text)
    if (typeof server === 'string') throw new Error(server)
    t.equal(withPort(server, 8444).url, url)
  }
})

t.test('fingerprints as people copy them', async (t) => {
  const hex = 'ab'.repeat(32)
  t.equal(readFingerprint(`sha256:${hex}`), hex)
  t.equal(readFingerprint(`SHA256:${hex.toUpperCase()}`), hex)
  t.equal(readFingerprint(`sha256:${(hex.toUpperCase().match(/../g) ?? []).join(':')}`), hex)
  for (const wrong of ['', hex, `sha1:${hex}`, `sha256:${hex}0`, `sha256:${hex.slice(2)}`, `sha256:${'g'.repeat(64)}`])
    t.equal(readFingerprint(wrong), undefined, wrong)
})
