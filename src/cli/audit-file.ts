import { createPublicKey } from 'node:crypto'
import { fileMode, readText, writeFileAtomic } from '../client/files.ts'
import type { Checkpoint } from '../core/audit-chain.ts'
import { isCheckpoint } from '../core/audit-lines.ts'
import { makeVerifier, type VerifyResult } from '../core/audit-verify.ts'
import { configurationError } from './errors.ts'
import { linesOf } from './lines.ts'

/** An event has at most some 100 KB; a checkpoint at most an item of the table, 400 KB. Characters. */
const longestLine = 1 << 20
/** Characters that are gathered before they are written. */
const chunk = 1 << 18

async function* inChunks(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let text = ''
  for await (const line of lines) {
    text += `${line}\n`
    if (text.length < chunk) continue
    yield text
    text = ''
  }
  yield text
}

/** Writes lines as they come under another name, and gives the file its own when it is whole. Owner alone. */
export const writeLines = (path: string, lines: AsyncIterable<string>): Promise<void> =>
  writeFileAtomic(path, inChunks(lines), fileMode.secret)

/** A public key, SubjectPublicKeyInfo DER; of a private one its public half. */
export const readAuditKey = async (path: string): Promise<Buffer> => {
  const pem = await readText(path, 'audit key')
  try {
    return createPublicKey(pem).export({ format: 'der', type: 'spki' })
  } catch (error) {
    throw configurationError(`${path} holds no public key`, {
      next: 'Give the public key of the audit key, PEM.',
      cause: error,
    })
  }
}

const readPin = async (path: string): Promise<Checkpoint> => {
  const text = await readText(path, 'checkpoint')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (!isCheckpoint(value))
    throw configurationError(`${path} holds no checkpoint`, { next: 'Give an object as the audit bucket has it.' })
  return value
}

/** Verifies an export; asks nobody. */
export const verifyExport = async (
  path: string,
  { keys, pins, now }: { keys: string[]; pins: string[]; now: number },
): Promise<VerifyResult> => {
  const verifier = makeVerifier({
    keys: await Promise.all(keys.map(readAuditKey)),
    pins: await Promise.all(pins.map(readPin)),
    now,
  })
  for await (const line of linesOf(path, longestLine)) verifier.line(line)
  return verifier.finish()
}
