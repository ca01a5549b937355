/**
 * A thread of its own in which the records of revocations are read and lists are encoded: with many of them either takes
 * seconds of CPU, which the requests of this process would wait for. It has its own client of the store, and no key.
 */
import { createPublicKey, verify } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { sha256Hex } from '../../core/bytes.ts'
import type { CrlHead } from '../../core/crl.ts'
import { second } from '../../core/time.ts'
import { type CrlFields, encodeCrlTbs, joinCrl, makeEntryList } from '../../pki/crl.ts'
import { openStore, type StoreOptions } from '../../store/client.ts'
import { makeCrlEntries } from '../../store/crl.ts'
import { makeCrlFiles } from '../../store/crl-files.ts'
import { withDeadline } from '../../store/deadline.ts'
import { listingOf } from './listed.ts'

/** What the thread does, by name: each takes and answers what can be copied to another thread. */
export interface Tasks {
  /** Reads all records of an issuer and encodes what is to be signed; kept here under the build's name until `finish`. */
  encode(order: { issuer_id: string; build_id: string; fields: CrlFields; previous_update: number | undefined }): {
    tbs: Uint8Array
    entries: number
    unreadable: number
    next_due: number | undefined
    milliseconds: number
  }
  /** Puts the signature to it, verifies it by the issuer's key (SPKI, DER), and writes the chunks. */
  finish(order: {
    issuer_id: string
    build_id: string
    signature: Uint8Array
    spki: Uint8Array
    next_update: number
  }): {
    der: Uint8Array
    sha256: string
    chunks: number
    /** Chunks that this list makes useless once it is published. */
    others: string[]
  }
  read(head: CrlHead): { der: Uint8Array | undefined }
  remove(order: { issuer_id: string; chunks: string[] }): { done: true }
}

export interface ThreadOptions {
  store: Omit<StoreOptions, 'observe'>
}

export interface Asked {
  id: number
  task: keyof Tasks
  order: never
}
export type Answered = { id: number; answer: unknown } | { id: number; failure: string }

/** For all chunks of a list together, milliseconds. */
const longestWrite = 30 * second

const { store: options } = workerData as ThreadOptions
const store = openStore(options)
const records = makeCrlEntries(store)
const files = makeCrlFiles(store)
const unsigned = new Map<string, Buffer>()

const tasks: { [Name in keyof Tasks]: (order: Parameters<Tasks[Name]>[0]) => Promise<ReturnType<Tasks[Name]>> } = {
  encode: async ({ issuer_id, build_id, fields, previous_update }) => {
    const started = performance.now()
    const entries = makeEntryList()
    let next_due: number | undefined
    let unreadable = 0
    const { this_update } = fields
    await records.readAll(issuer_id, (page) => {
      for (const record of page) {
        const listing = listingOf(record, { this_update, previous_update })
        if (listing === 'unreadable') unreadable += 1
        else if (listing === 'gone') continue
        else if ('entry' in listing) entries.add(listing.entry)
        else next_due = Math.min(next_due ?? listing.later, listing.later)
      }
    })
    const own = { ...fields, issuer: Buffer.from(fields.issuer), key_id: Buffer.from(fields.key_id) }
    const tbs = encodeCrlTbs(own, entries.encode())
    // A build that was given up is of no use any more.
    unsigned.clear()
    unsigned.set(build_id, tbs)
    return {
      tbs,
      entries: entries.count(),
      unreadable,
      next_due,
      milliseconds: Math.round(performance.now() - started),
    }
  },

  finish: async ({ issuer_id, build_id, signature, spki, next_update }) => {
    const tbs = unsigned.get(build_id)
    if (tbs === undefined) throw new Error('there is no such build')
    unsigned.delete(build_id)
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    if (!verify('sha256', tbs, { key, dsaEncoding: 'der' }, signature))
      throw new Error('the signature is not by the key of the issuer')
    const der = joinCrl(tbs, signature)
    const chunks = await withDeadline(longestWrite, () => files.writeChunks(issuer_id, build_id, der, next_update))
    // Whoever has written these has read the head before this list, and publishes nothing once it stands. Looked for later,
    // the chunks of a faster builder's next list could be among them.
    const others = await withDeadline(longestWrite, () => files.others(issuer_id, build_id))
    return { der, sha256: sha256Hex(der), chunks, others }
  },

  read: async (head) => ({ der: await files.readChunks(head) }),

  remove: async ({ issuer_id, chunks }) => {
    await withDeadline(longestWrite, () => files.remove(issuer_id, chunks))
    return { done: true }
  },
}

parentPort?.on('message', async ({ id, task, order }: Asked) => {
  try {
    parentPort?.postMessage({ id, answer: await tasks[task](order) } satisfies Answered)
  } catch (error) {
    const { message, cause } = error as Error
    const why = cause instanceof Error ? `${message}: ${cause.message}` : message
    parentPort?.postMessage({ id, failure: why } satisfies Answered)
  }
})
