import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { type Checkpoint, hashOfCheckpoint, hashOfEvent, noHash } from '../../src/core/audit-chain.ts'
import { exportLine } from '../../src/core/audit-lines.ts'
import { makeVerifier, type VerifyOptions } from '../../src/core/audit-verify.ts'
import { canonicalJson } from '../../src/core/canonical.ts'
import { day, minute, toRfc3339 } from '../../src/core/time.ts'
import { chainName, exportBegins, makeExport, signCheckpoint } from '../support/audit-export.ts'

const step = 10 * minute
// Two chains of four events in ten minutes, five times, a checkpoint after each, and two events that none counts yet.
const good = makeExport({ chains: 2, perMinute: 4, minutes: 5, step, tail: 2 })
const now = exportBegins + day
const verify = (lines: string[], options: Partial<VerifyOptions> = {}) => {
  const verifier = makeVerifier({ keys: [good.publicKey], pins: [], now, ...options })
  for (const line of lines) verifier.line(line)
  return verifier.finish()
}

// biome-ignore lint/suspicious/noExplicitAny: lines are altered in every way
type Line = any
const parsed: Line[] = good.lines.map((line) => JSON.parse(line))
const [a, b] = [chainName(0), chainName(1)]
/** Where an event stands. */
const indexOf = (chain: string, seq: number): number =>
  parsed.findIndex((line) => line.chain === chain && line.seq === seq)
const checkpointAt = (n: number): number => parsed.findIndex((line) => line.checkpoint?.n === n)
const idOf = (chain: string, seq: number): string => parsed[indexOf(chain, seq)].event_id

/** Answers the lines, when it has not just changed them in place. */
type Tamper = (lines: Line[]) => unknown
type Tampering = [what: string, tamper: Tamper, says: RegExp, options?: Partial<VerifyOptions>]

const run = (tamper: Tamper, lines: Line[]): Line[] => {
  const answer = tamper(lines)
  return Array.isArray(answer) ? answer : lines
}

/** Changes the event in place. */
const change =
  (chain: string, seq: number, how: (event: Line) => unknown) =>
  (lines: Line[]): void => {
    how(lines[indexOf(chain, seq)])
  }
const rehash = (event: Line): void => {
  const { hash: _, ...placed } = event
  event.hash = hashOfEvent(placed)
}
/** Makes all hashes of a chain anew from a number on, as somebody with the code can. */
const rehashFrom = (lines: Line[], chain: string, seq: number): void => {
  let hash: string | undefined
  for (const line of lines) {
    if (line.chain !== chain || line.seq < seq) continue
    if (hash !== undefined) line.prev_hash = hash
    rehash(line)
    hash = line.hash
  }
}
const without =
  (...indexes: number[]) =>
  (lines: Line[]): Line[] =>
    lines.filter((_, i) => !indexes.includes(i))
const swap =
  (one: number, other: number) =>
  (lines: Line[]): void => {
    ;[lines[one], lines[other]] = [lines[other], lines[one]]
  }
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const strangeSpki = stranger.publicKey.export({ type: 'spki', format: 'der' })
const altered = (chain: string, seq: number) => new RegExp(`event ${idOf(chain, seq)} of .* was altered: its hash`)
/** Takes lines out and keeps the count of the last line right, as a careful thief does. */
const recount = (lines: Line[]): Line[] => {
  const end = lines.at(-1).end
  end.events = lines.filter((line) => line.seq !== undefined).length
  end.checkpoints = lines.filter((line) => line.checkpoint !== undefined).length
  return lines
}
const careful =
  (tamper: Tamper) =>
  (lines: Line[]): Line[] =>
    recount(run(tamper, lines))
const newest = good.checkpoints.at(-1) as Checkpoint

const tamperings: Tampering[] = [
  // What an event says.
  [
    'another actor',
    change(a, 3, (event) => {
      event.actor = 'nobody'
    }),
    altered(a, 3),
  ],
  [
    'another action',
    change(a, 3, (event) => {
      event.action = 'principal.create'
    }),
    altered(a, 3),
  ],
  [
    'another target',
    change(b, 7, (event) => {
      event.target = 'worker-x'
    }),
    altered(b, 7),
  ],
  [
    'another time',
    change(b, 7, (event) => {
      event.at = '2026-11-21T12:00:00.000Z'
    }),
    altered(b, 7),
  ],
  [
    'another outcome',
    change(a, 1, (event) => {
      event.outcome = 'denied'
    }),
    altered(a, 1),
  ],
  [
    'another address',
    change(a, 20, (event) => {
      event.remote_address = '198.51.100.1'
    }),
    altered(a, 20),
  ],
  [
    'another request',
    change(a, 20, (event) => {
      event.request_id = noHash.slice(0, 32)
    }),
    altered(a, 20),
  ],
  [
    'something deep inside',
    change(a, 9, (event) => {
      event.after.nested.a = [2, null]
    }),
    altered(a, 9),
  ],
  [
    'a number that became text',
    change(a, 9, (event) => {
      event.after.nested.a = ['1', null]
    }),
    altered(a, 9),
  ],
  [
    'a field more',
    change(a, 9, (event) => {
      event.code = 'permission_denied'
    }),
    altered(a, 9),
  ],
  ['a field less', change(a, 9, (event) => delete event.after), altered(a, 9)],
  [
    'an empty field',
    change(a, 9, (event) => {
      event.before = {}
    }),
    altered(a, 9),
  ],
  [
    'another name of the event',
    change(a, 9, (event) => (event.event_id = noHash.slice(0, 32))),
    /event 0{32} of 1970.* was altered/,
  ],
  [
    'an event after the last checkpoint',
    change(a, 21, (event) => {
      event.actor = 'nobody'
    }),
    altered(a, 21),
  ],
  [
    'the last event',
    change(a, 22, (event) => {
      event.actor = 'nobody'
    }),
    altered(a, 22),
  ],
  // Hashes.
  [
    'another hash',
    change(a, 5, (event) => {
      event.hash = 'f'.repeat(64)
    }),
    altered(a, 5),
  ],
  [
    'another hash of the one before',
    change(a, 5, (event) => {
      event.prev_hash = 'f'.repeat(64)
    }),
    altered(a, 5),
  ],
  [
    'altered, and its hash made anew',
    change(a, 5, (event) => {
      event.actor = 'nobody'
      rehash(event)
    }),
    new RegExp(`event ${idOf(a, 6)} of .* does not follow the one before it \\(${idOf(a, 5)}\\)`),
  ],
  [
    'altered, and all later hashes made anew',
    (lines) => {
      lines[indexOf(a, 6)].actor = 'nobody'
      rehashFrom(lines, a, 6)
    },
    /checkpoint 2 of .* knows another number 8 of chain .*: events 5 to 8 were rewritten/,
  ],
  [
    'the last event under a checkpoint altered, and its hash made anew',
    (lines) => {
      lines[indexOf(b, 20)].actor = 'nobody'
      rehash(lines[indexOf(b, 20)])
    },
    /checkpoint 5 of .* knows another number 20 of chain .*: events 17 to 20 were rewritten/,
  ],
  [
    'the first event altered so that it follows another',
    (lines) => {
      lines[indexOf(a, 1)].prev_hash = 'f'.repeat(64)
      rehashFrom(lines, a, 1)
    },
    new RegExp(`event ${idOf(a, 1)} of .* was altered: the first of a chain follows nothing`),
  ],
  // What is not there.
  [
    'an event left out',
    careful(without(indexOf(a, 6))),
    new RegExp(`event 6 of chain ${a} is missing: the next is event ${idOf(a, 7)}`),
  ],
  [
    'some events left out',
    careful(without(indexOf(a, 6), indexOf(a, 7))),
    new RegExp(`events 6 to 7 of chain ${a} are missing: the next is event ${idOf(a, 8)}`),
  ],
  [
    'the first event left out',
    careful(without(indexOf(a, 1))),
    new RegExp(`event 1 of chain ${a} is missing: the file begins with event ${idOf(a, 2)}`),
  ],
  [
    'the last event before a checkpoint left out',
    careful(without(indexOf(b, 8))),
    new RegExp(`event 8 of chain ${b} is missing: checkpoint 2 of .* counts 8`),
  ],
  [
    'an event left out, and the numbers and hashes of the later ones made anew',
    careful((lines) => {
      const rest = lines.filter((line) => !(line.chain === a && line.seq === 6))
      for (const line of rest) if (line.chain === a && line.seq > 6) line.seq--
      let hash = parsed[indexOf(a, 5)].hash
      for (const line of rest)
        if (line.chain === a && line.seq > 5) {
          line.prev_hash = hash
          rehash(line)
          hash = line.hash
        }
      return rest
    }),
    new RegExp(`event 8 of chain ${a} is missing: checkpoint 2 of .* counts 8`),
  ],
  [
    'a whole chain left out',
    careful((lines) => lines.filter((line) => line.chain !== b)),
    new RegExp(`events 1 to 4 of chain ${b} are missing: checkpoint 1 of .* counts 4`),
  ],
  [
    'everything up to the third checkpoint left out',
    careful((lines) => lines.filter((_, i) => i === 0 || i >= checkpointAt(3))),
    /checkpoints 1 to 2 are missing: the file begins with checkpoint 3/,
  ],
  ['a checkpoint left out', careful(without(checkpointAt(3))), /checkpoint 3 is missing: the next is checkpoint 4/],
  [
    'all checkpoints left out',
    careful((lines) => lines.filter((line) => line.checkpoint === undefined)),
    /the file has no checkpoint/,
  ],
  [
    'the first checkpoint left out',
    careful(without(checkpointAt(1))),
    /checkpoints 1 to 1 are missing: the file begins with checkpoint 2/,
  ],
  // The end.
  ['cut off in the middle of a line', (lines) => [...lines.slice(0, 30), 'cut'], /line 31 is no line of an export/],
  ['cut off after a line', (lines) => lines.slice(0, 30), /the file has no last line: it was cut off/],
  [
    'the last events cut off',
    without(parsed.length - 2, parsed.length - 3),
    /the last line counts 42 lines of the kind events, the file has 40/,
  ],
  [
    'everything after the second checkpoint cut off, and counted anew',
    careful((lines) => [...lines.slice(0, checkpointAt(2) + 1), lines.at(-1)]),
    new RegExp(`events 9 to 20 of chain ${a} are missing: checkpoint 5 of .* from outside of the file counts 20`),
    { pins: [newest] },
  ],
  [
    'a chain that only the bucket knows',
    careful((lines) => lines.filter((line) => line.chain === undefined && line.checkpoint === undefined)),
    new RegExp(`chain ${b} is missing: checkpoint 5 of .* from outside of the file counts 20 events of it`),
    { pins: [newest] },
  ],
  ['more after the end', (lines) => [...lines, lines[indexOf(a, 22)]], /line 50 stands after the end of the export/],
  // Order.
  [
    'two events swapped',
    swap(indexOf(a, 6), indexOf(a, 7)),
    new RegExp(`event ${idOf(a, 6)} of .* stands after number 7: the order was changed`),
  ],
  [
    'two events swapped over a checkpoint',
    swap(indexOf(b, 8), indexOf(b, 9)),
    new RegExp(`event ${idOf(b, 8)} of .* (stands after number|was inserted)`),
  ],
  [
    'an event moved to the end',
    (lines) => {
      const [event] = lines.splice(indexOf(a, 6), 1)
      lines.splice(-1, 0, event)
    },
    new RegExp(`event ${idOf(a, 6)} of .* stands after number 22: the order was changed`),
  ],
  [
    'two checkpoints swapped',
    swap(checkpointAt(2), checkpointAt(3)),
    /checkpoint 2 of .* stands after checkpoint 3: the order was changed/,
  ],
  [
    'a checkpoint moved to the end',
    (lines) => {
      const [checkpoint] = lines.splice(checkpointAt(5), 1)
      lines.splice(-1, 0, checkpoint)
    },
    /checkpoint 5 of .* stands after events of chain .* that it does not count \(it ends at number 20, the file is at 22\)/,
  ],
  // What was put in.
  [
    'an event twice',
    (lines) => lines.toSpliced(indexOf(a, 6), 0, lines[indexOf(a, 6)]),
    new RegExp(`event ${idOf(a, 6)} of .* stands twice`),
  ],
  [
    'a second event of a number',
    (lines) => {
      const event = { ...lines[indexOf(a, 6)], actor: 'nobody' }
      rehash(event)
      return lines.toSpliced(indexOf(a, 6) + 1, 0, event)
    },
    new RegExp(`event ${idOf(a, 6)} of .* was inserted: the chain has another event of this number`),
  ],
  [
    'an event of a chain of its own, in the middle',
    careful((lines) => {
      const event = { ...lines[indexOf(a, 9)], chain: 'e'.repeat(32), seq: 1, prev_hash: noHash }
      rehash(event)
      return lines.toSpliced(indexOf(a, 6), 0, event)
    }),
    /event 1 of chain e{32} is under no checkpoint, and older than the last one/,
    { now: now + 1 },
  ],
  [
    'an event in no chain',
    (lines) =>
      lines.toSpliced(-1, 0, { unlinked: { ...lines[indexOf(a, 1)], event_id: `${idOf(a, 1).slice(0, 31)}f` } }),
    /event .*f of .* is in the table and in no chain/,
  ],
  [
    'an event that the table has lost',
    (lines) => {
      const { event_id, chain, seq, prev_hash, hash } = lines[indexOf(a, 6)]
      lines[indexOf(a, 6)] = { missing: { event_id, chain, seq, prev_hash, hash } }
    },
    new RegExp(`event ${idOf(a, 6)} of .* is missing: the chain knows it, and the table has it no more`),
  ],
  [
    'an event left out as if it had expired, under a name of long ago',
    (lines) => {
      const { chain, seq, prev_hash, hash } = lines[indexOf(a, 6)]
      const event_id = `${'0'.repeat(31)}1`
      lines[indexOf(a, 6)] = { missing: { event_id, chain, seq, prev_hash, hash } }
      lines.at(-1).end.missing = 1
      return recount(lines)
    },
    new RegExp(`event 0{31}1 of .*number 6 of chain ${a}.* is missing: the chain knows it`),
  ],
  [
    'the first event left out as if it had expired, under a name of long ago',
    (lines) => {
      const { chain, seq, prev_hash, hash } = lines[indexOf(a, 1)]
      lines[indexOf(a, 1)] = { missing: { event_id: `${'0'.repeat(31)}1`, chain, seq, prev_hash, hash } }
      lines.at(-1).end.missing = 1
      return recount(lines)
    },
    new RegExp(`event 0{31}1 of .*number 1 of chain ${a}.* is missing: the chain knows it`),
  ],
  [
    'events left out as if they had expired, in a file that says that they are kept for a day',
    (lines) => {
      const { event_id, chain, seq, prev_hash, hash } = lines[indexOf(a, 6)]
      lines[indexOf(a, 6)] = { missing: { event_id, chain, seq, prev_hash, hash } }
      lines.at(-1).end.missing = 1
      lines[0].kept_days = 1
      return recount(lines)
    },
    new RegExp(`event ${idOf(a, 6)} of .* is missing: the chain knows it`),
  ],
  [
    'days of keeping that are none of ours',
    (lines) => {
      lines[0].kept_days = 1
    },
    /line 1 says that events are kept for 1 days/,
  ],
  [
    'a remark beside a checkpoint',
    (lines) => {
      lines[checkpointAt(3)].approved_by = 'admin-test'
    },
    new RegExp(`line ${checkpointAt(3) + 1} is no line of an export`),
  ],
  [
    'a remark within a checkpoint',
    (lines) => {
      lines[checkpointAt(3)].checkpoint.approved_by = 'admin-test'
    },
    new RegExp(`line ${checkpointAt(3) + 1} is no line of an export`),
  ],
  [
    'a remark in the head',
    (lines) => {
      lines[0].approved_by = 'admin-test'
    },
    /line 1 is not the head of an export/,
  ],
  [
    'a remark in the last line',
    (lines) => {
      lines.at(-1).end.approved_by = 'admin-test'
    },
    new RegExp(`line ${parsed.length} is no line of an export`),
  ],
  [
    'another spelling of a signature',
    (lines) => {
      lines[checkpointAt(3)].checkpoint.signature += ' '
    },
    new RegExp(`line ${checkpointAt(3) + 1} is no line of an export`),
  ],
  ['a second head', (lines) => lines.toSpliced(3, 0, lines[0]), /line 4 is a second head/],
  ['no head', without(0), /line 1 is not the head of an export/],
  // Chains.
  [
    'the names of the chains swapped',
    (lines) => {
      for (const line of lines) if (line.chain !== undefined) line.chain = line.chain === a ? b : a
    },
    /was altered: its hash does not fit its content/,
  ],
  [
    'the names of the chains swapped, and all hashes made anew',
    (lines) => {
      for (const line of lines) if (line.chain !== undefined) line.chain = line.chain === a ? b : a
      rehashFrom(lines, a, 1)
      rehashFrom(lines, b, 1)
    },
    /checkpoint 1 of .* knows another number 4 of chain .*: events 1 to 4 were rewritten/,
  ],
  // Checkpoints.
  [
    'another time of a checkpoint',
    (lines) => {
      lines[checkpointAt(3)].checkpoint.at = '2026-11-21T12:30:01.000Z'
    },
    /checkpoint 3 of .* was altered or forged: its signature does not fit/,
  ],
  [
    'another head in a checkpoint',
    (lines) => {
      lines[checkpointAt(3)].checkpoint.heads[0].seq = 11
    },
    /checkpoint 3 of .* was altered or forged/,
  ],
  [
    'a chain left out of a checkpoint',
    (lines) => {
      lines[checkpointAt(3)].checkpoint.heads.pop()
    },
    /checkpoint 3 of .* was altered or forged/,
  ],
  [
    'another signature',
    (lines) => {
      lines[checkpointAt(3)].checkpoint.signature = lines[checkpointAt(2)].checkpoint.signature
    },
    /checkpoint 3 of .* was altered or forged/,
  ],
  [
    'no signature',
    (lines) => {
      lines[checkpointAt(3)].checkpoint.signature = ''
    },
    /checkpoint 3 of .* was altered or forged/,
  ],
  [
    'a key that is none',
    (lines) => {
      lines[checkpointAt(3)].checkpoint.public_key = 'AAAA'
    },
    /checkpoint 3 of .* was altered or forged/,
  ],
  [
    'a checkpoint by another key',
    (lines) => {
      const { signature: _, ...body } = lines[checkpointAt(5)].checkpoint
      lines[checkpointAt(5)] = {
        checkpoint: signCheckpoint({ ...body, public_key: strangeSpki.toString('base64') }, stranger.privateKey),
      }
    },
    /checkpoint 5 of .* is signed by a key that you have not named/,
  ],
  [
    'a checkpoint twice',
    (lines) => lines.toSpliced(checkpointAt(3), 0, lines[checkpointAt(3)]),
    /checkpoint 3 of .* stands twice/,
  ],
  [
    'one that the key has signed, and that is not the one of the bucket',
    (lines) => {
      const { signature: _, ...body } = lines[checkpointAt(5)].checkpoint
      lines[checkpointAt(5)] = { checkpoint: good.sign({ ...body, heads: body.heads.slice(0, 1) }) }
    },
    /checkpoint 5 of .* is not the checkpoint 5 that came from outside/,
    { pins: [newest] },
  ],
  [
    'one that the key has signed for another past',
    (lines) => {
      const { signature: _, ...body } = lines[checkpointAt(4)].checkpoint
      lines[checkpointAt(4)] = { checkpoint: good.sign({ ...body, prev_hash: 'f'.repeat(64) }) }
    },
    /checkpoint 4 of .* does not follow checkpoint 3/,
  ],
]

t.test('a good export is proved', async (t) => {
  const result = verify(good.lines)
  t.match(result, {
    findings: [],
    found: 0,
    events: 42,
    checkpoints: 5,
    chains: 2,
    proved_from: toRfc3339(exportBegins + step),
    proved_until: toRfc3339(exportBegins + 5 * step),
    not_covered: 2,
    keys_trusted: true,
  })
  t.match(verify(good.lines, { keys: [] }), { found: 0, keys_trusted: false }, 'by itself it only agrees with itself')
  t.match(verify(good.lines, { pins: [newest] }), { found: 0 })
})

t.test(`${tamperings.length} tamperings are found, each named`, async (t) => {
  t.ok(tamperings.length >= 40)
  for (const [what, tamper, says, options] of tamperings) {
    const lines = structuredClone(parsed)
    const result = verify(
      run(tamper, lines).map((line) => (line === 'cut' ? '{"action":"princ' : exportLine(line))),
      options,
    )
    const said = result.findings.map(({ message }) => message)
    t.ok(result.found > 0 && said.some((message) => says.test(message)), what, { said })
    t.ok(result.found <= 60, `${what}: is not said in ${result.found} ways`, { said })
  }
})

t.test('a line that two programs could read in two ways is refused', async (t) => {
  const line = good.lines[1] as string
  const ways: [string, string][] = [
    ['a field twice', line.replace('{', '{"action":"x",')],
    ['white space', line.replace(',', ', ')],
    ['another order', line.replace(/^\{("action":"[^"]*"),("actor":"[^"]*"),/, '{$2,$1,')],
    ['an escape that is not needed', line.replace('admin', '\\u0061dmin')],
    ['half a surrogate pair', line.replace('admin-test', '\\ud800')],
    ['a number otherwise', line.replace('"seq":1,', '"seq":1.0,')],
  ]
  for (const [what, text] of ways) {
    t.not(text, line)
    const { findings } = verify(good.lines.with(1, text))
    t.match(findings[0], { kind: 'malformed', line: 2 }, what)
  }
})

t.test('what has expired is no breach, what was cut away is', async (t) => {
  const later = exportBegins + 405 * day
  const rest = parsed.slice(checkpointAt(2))
  const head = { ...parsed[0], exported_at: toRfc3339(later) }
  const end = { end: { events: rest.filter(({ seq }) => seq).length, checkpoints: 4, missing: 0, unlinked: 0 } }
  const lines = [head, ...rest.slice(0, -1), end].map(exportLine)
  t.match(verify(lines, { now: later }), { found: 0 })
  t.match(
    verify(lines, { now }).findings[0]?.message,
    /checkpoints 1 to 1 are missing/,
    'the file does not say how old it is',
  )
})

t.test('canonical JSON is that of RFC 8785', async (t) => {
  t.equal(
    canonicalJson({ b: [1, 1e21, 0.1, -0, null, true], a: '\u20ac$\u000f\nA\'B"\\\\"/', '\u20ac': undefined, A: {} }),
    '{"A":{},"a":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/","b":[1,1e+21,0.1,0,null,true]}',
  )
  t.equal(
    canonicalJson({ '\ud83d\ude00': 1, '\ufb33': 2, '\r': 3, '1': 4 }),
    '{"\\r":3,"1":4,"\ud83d\ude00":1,"\ufb33":2}',
  )
  t.equal(canonicalJson('\ud800x'), '"\ufffdx"')
  t.equal(typeof hashOfCheckpoint(newest), 'string')
})
