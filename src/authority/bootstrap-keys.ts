import type { KeyObject } from 'node:crypto'
import { generateKeyPair, privateKeyPem, readPrivateKeys } from '../pki/keys.ts'
import { createFile, readIfThere } from './private-files.ts'

/** What a step did: made something, found it, or replaced what was about to expire. */
export type Outcome = 'made' | 'found' | 'renewed'

/** Why bootstrap stops instead of replacing something. The message says which file, and what to do. */
export class BootstrapProblem extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BootstrapProblem'
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
