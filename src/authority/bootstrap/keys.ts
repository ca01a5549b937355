import type { KeyObject } from 'node:crypto'
import { generateKeyPair, privateKeyPem, readPrivateKeys } from '../../pki/keys.ts'
import { createFile, readIfThere } from '../private-files.ts'

/** What a step did: made something, found it, or replaced what was about to expire, or what it was told to replace. */
export type Outcome = 'made' | 'found' | 'renewed' | 'replaced'

export interface BootstrapProblemOptions extends ErrorOptions {
  /** What to do next. */
  next?: string
  /** Something is not there that bootstrap does not make; otherwise something stands in the way. */
  missing?: true
}

/** Why bootstrap stops instead of replacing something. The message says which thing. */
export class BootstrapProblem extends Error {
  readonly next: string | undefined
  readonly missing: boolean

  constructor(message: string, { next, missing, ...options }: BootstrapProblemOptions = {}) {
    super(message, options)
    this.name = 'BootstrapProblem'
    this.next = next
    this.missing = missing === true
  }
}

export const readKey = async (path: string): Promise<KeyObject | undefined> => {
  const pem = await readIfThere(path)
  if (pem === undefined) return undefined
  try {
    const [key, ...others] = readPrivateKeys(pem)
    if (key !== undefined && others.length === 0) return key
  } catch (cause) {
    throw new BootstrapProblem(
      `${path} holds no private key that can be read: restore it, or remove it to begin anew`,
      { cause },
    )
  }
  throw new BootstrapProblem(`${path} must hold one private key: restore it, or remove it to begin anew`)
}

/** The key of a file; a new one, written before it is used, where there is none. */
export const findOrMakeKey = async (path: string): Promise<KeyObject> => {
  const found = await readKey(path)
  if (found !== undefined) return found
  const { privateKey } = generateKeyPair()
  await createFile(path, privateKeyPem(privateKey))
  return privateKey
}
