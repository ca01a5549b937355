import { readFileSync } from 'node:fs'
import { type Environment, textOf } from './config.ts'
import { type Variable, variables } from './options.ts'
import { mismatch, type Problem } from './problems.ts'

const pemVariables = {
  caCert: variables.caCert,
  serverCert: variables.serverCert,
  serverKey: variables.serverKey,
  serverIssuerCert: variables.serverIssuerCert,
  serverIssuerKey: variables.serverIssuerKey,
  issuerCert: variables.issuerCert,
  issuerKey: variables.issuerKey,
  auditKey: variables.auditKey,
} as const satisfies Record<string, Variable>

export type SecretName = keyof typeof pemVariables

/** One PEM text, and the variable or file that is named when something is wrong with it. */
export interface SecretText {
  name: string
  text: string
}

export type SecretTexts = Partial<Record<SecretName, SecretText>>

export interface SecretsReading {
  texts: SecretTexts
  /** Why others could not be read; those are not also reported missing. */
  problems: Problem[]
  unreadable: Set<SecretName>
}

/** Where PEM comes from: the environment and files. */
export interface SecretsSource {
  /** All but those that are read elsewhere. */
  read(except?: readonly SecretName[]): Promise<SecretsReading>
}

/** The name by which a variable is missed. */
export const nameOf = (secret: SecretName): string => pemVariables[secret].env

const readOne = (env: Environment, variable: string, problems: Problem[]): SecretText | undefined => {
  const twin = `${variable}_FILE`
  const text = textOf(env, variable)
  const path = textOf(env, twin)
  if (text !== undefined && path !== undefined) {
    problems.push(mismatch(`${variable}, ${twin}`, 'both', 'one of them'))
    return undefined
  }
  if (path === undefined) return text === undefined ? undefined : { name: variable, text }
  const name = `${twin} (${path.slice(0, 200).replace(/\p{C}/gu, '?')})`
  try {
    return { name, text: readFileSync(path, 'utf8') }
  } catch (error) {
    const { code = 'an error' } = error as NodeJS.ErrnoException
    problems.push(mismatch(name, `no file that can be read (${code})`, 'a PEM file'))
    return undefined
  }
}

/** Reads `NAME` or, anew each time, the file that `NAME_FILE` names. */
export const environmentSource = (env: Environment): SecretsSource => ({
  read: async (except = []) => {
    const reading: SecretsReading = { texts: {}, problems: [], unreadable: new Set() }
    for (const [secret, { env: variable }] of Object.entries(pemVariables) as [SecretName, Variable][]) {
      if (except.includes(secret)) continue
      const before = reading.problems.length
      const found = readOne(env, variable, reading.problems)
      if (found !== undefined) reading.texts[secret] = found
      else if (reading.problems.length > before) reading.unreadable.add(secret)
    }
    return reading
  },
})
