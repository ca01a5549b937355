import t from 'tap'
import { readAnswer } from '../../bench/load/connection.ts'

const head = 'HTTP/1.1 201 Created\r\nDate: now\r\n'
const table: [string, string, { status: number; body: string } | undefined][] = [
  ['nothing yet', '', undefined],
  ['half of the head', 'HTTP/1.1 200 OK\r\nDate', undefined],
  ['a body that is not all there', `${head}Content-Length: 5\r\n\r\nabcd`, undefined],
  ['a body by its length', `${head}content-length: 5\r\n\r\nabcde`, { status: 201, body: 'abcde' }],
  ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', { status: 204, body: '' }],
  ['chunks that go on', `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n`, undefined],
  [
    'chunks to the end',
    `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\na\r\n0123456789\r\n0\r\n\r\n`,
    { status: 201, body: 'abcde0123456789' },
  ],
]

for (const [what, text, answer] of table)
  t.test(`the load generator reads ${what}`, async (t) => t.strictSame(readAnswer(text), answer))
