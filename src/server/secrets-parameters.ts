import type { GetParametersCommandOutput } from '@aws-sdk/client-ssm'
import { second, withinTime } from '../core/time.ts'
import { awsReason } from './aws-reason.ts'
import { type Environment, textOf } from './config.ts'
import { variables } from './options.ts'
import { mismatch, type Problem } from './problems.ts'
import type { SecretName, SecretTexts } from './secret-texts.ts'

/** What stands below the prefix, by its last name. */
export const parameterOf = {
  caCert: 'ca-cert',
  serverCert: 'server-cert',
  serverKey: 'server-key',
  issuerCert: 'issuer-cert',
} as const satisfies Partial<Record<SecretName, string>>
export type ParameterSecret = keyof typeof parameterOf

/** Which of them are read: not those of the server where each process issues its own certificate. */
export const parametersWanted = (env: Environment): ParameterSecret[] => {
  const set = ({ env: name }: { env: string }): boolean =>
    [name, `${name}_FILE`].some((each) => textOf(env, each) !== undefined)
  const issuesItsOwn = set(variables.serverIssuerCert) && !set(variables.serverCert) && !set(variables.serverKey)
  return issuesItsOwn ? ['caCert', 'issuerCert'] : ['caCert', 'serverCert', 'serverKey', 'issuerCert']
}

/** Why nothing could be read: what to check, never a value. */
export class ParametersUnread extends Error {
  constructor(reason: string, prefix: string) {
    super(
      `the Parameter Store below ${prefix} cannot be read (${reason}): check the permissions ssm:GetParameters and, for the SecureString, ` +
        'kms:Decrypt, the region and endpoint of the Parameter Store, and the way there',
    )
    this.name = 'ParametersUnread'
  }
}

export interface ParametersReading {
  texts: SecretTexts
  /** Parameters that are not as they should be. */
  problems: Problem[]
}

/** The Parameter Store as a source of PEM. */
export interface ParametersSource {
  wanted: readonly ParameterSecret[]
  /** All of them in one call, decrypted. Rejects with ParametersUnread. */
  read(): Promise<ParametersReading>
}

export interface ParametersDeps {
  /** Without a slash at its end. */
  prefix: string
  wanted: readonly ParameterSecret[]
  /** In the place of the standard AWS variables. */
  client?: { endpoint?: string; region?: string; credentials?: { accessKeyId: string; secretAccessKey: string } }
  /** For one read with all its tries, milliseconds. */
  budget?: number
}

const connectionTimeout = second
const usualBudget = 8 * second
/** The Parameter Store itself allows 8 KB. Characters. */
const longestValue = 16 * 1024

/** Reads certificates and the server key from the Parameter Store; the SDK is loaded at the first read. */
export const parametersSource = (deps: ParametersDeps): ParametersSource => {
  const { prefix, wanted, budget = usualBudget } = deps
  const pathOf = (secret: ParameterSecret) => `${prefix}/${parameterOf[secret]}`

  const load = async () => {
    const { GetParametersCommand, SSMClient } = await import('@aws-sdk/client-ssm')
    const client = new SSMClient({ ...deps.client, maxAttempts: 3, requestHandler: { connectionTimeout } })
    const command = { Names: wanted.map(pathOf), WithDecryption: true }
    return (abortSignal: AbortSignal) => client.send(new GetParametersCommand(command), { abortSignal })
  }
  let loaded: ReturnType<typeof load> | undefined

  const answerOf = ({ Parameters = [] }: GetParametersCommandOutput): ParametersReading => {
    const reading: ParametersReading = { texts: {}, problems: [] }
    for (const secret of wanted) {
      const path = pathOf(secret)
      const name = `${path} (${variables.ssmPrefix.env})`
      const found = Parameters.find(({ Name }) => Name === path)
      const text = found?.Value
      if (text === undefined) reading.problems.push(mismatch(name, 'no such parameter', 'one that holds PEM'))
      else if (text.length > longestValue)
        reading.problems.push(mismatch(name, `${text.length} characters`, `at most ${longestValue}`))
      else if (secret === 'serverKey' && found?.Type !== 'SecureString')
        reading.problems.push(mismatch(name, 'a private key in a parameter of another type', 'a SecureString'))
      else reading.texts[secret] = { name, text }
    }
    return reading
  }

  return {
    wanted,
    read: async () => {
      try {
        loaded ??= load()
        return answerOf(await withinTime(budget, await loaded))
      } catch (error) {
        throw new ParametersUnread(awsReason(error), prefix)
      }
    },
  }
}
