import { second } from '../../core/time.ts'

/** Where a deployment keeps what bootstrap makes for it, as ports; src/cli/bootstrap has them for AWS. */

/** Under `/<application>/<environment>/` in the Parameter Store. `server-key` is kept encrypted. */
export const parameterNames = ['ca-cert', 'issuer-cert', 'server-key', 'server-cert'] as const
export type ParameterName = (typeof parameterNames)[number]
export type Parameters = Record<ParameterName, string>

export interface ParameterShelf {
  /** All values, decrypted; rejects when one of them does not exist. */
  read(): Promise<Parameters>
  /** Overwrites a value; its kind stays, and its encryption unless a key is given. */
  write(name: ParameterName, text: string, more?: { kmsKey?: string; signal?: AbortSignal }): Promise<void>
  /** Key in KMS with which `server-key` is encrypted, by whatever name was given for it. */
  serverKeyEncryption(): Promise<string | undefined>
}

/** Of the same path in Secrets Manager. `issuer-key` can be written, never read: it is the servers' alone. */
export type SecretName = 'ca-key' | 'issuer-key'

export interface SecretVersions {
  /** Those that still have a label. */
  ids: string[]
  current: string | undefined
  /** When its value or a label was last changed, Unix milliseconds. */
  changed_at?: number
  /** Key in KMS that encrypts it, unless it is the one of Secrets Manager. */
  kms_key?: string
}

export interface SecretShelf {
  versions(name: SecretName): Promise<SecretVersions>
  /** Undefined when there is no such version. */
  read(name: 'ca-key', version: string): Promise<string | undefined>
  /** Adds a version under an id of our choice; it is current only when promoted. */
  stage(name: SecretName, version: string, text: string, signal?: AbortSignal): Promise<void>
  /** Makes a version the current one, in the place of `from`. */
  promote(name: SecretName, version: string, from: string | undefined, signal?: AbortSignal): Promise<void>
}

/** What Terraform leaves where a value is to come. */
export const isPlaceholder = (text: string): boolean => /^\W*(placeholder)?\W*$/i.test(text)

const tries = 6
const firstPause = second / 4

/** Reads again for some seconds until it is good: AWS may show what was just written a moment later. */
export const soonEnough = async <T>(read: () => Promise<T>, isGood: (found: T) => boolean): Promise<T> => {
  for (let count = 1; ; count++) {
    const found = await read()
    if (count === tries || isGood(found)) return found
    await new Promise((resolve) => setTimeout(resolve, firstPause * 2 ** (count - 1)))
  }
}
