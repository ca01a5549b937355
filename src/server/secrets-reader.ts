import { sha256Hex } from '../core/bytes.ts'
import type { Clock } from '../core/time.ts'
import { spkiOf } from '../pki/keys.ts'
import type { KmsKeys } from './kms-keys.ts'
import { variables } from './options.ts'
import type { Problem } from './problems.ts'
import type { SecretsReading, SecretsSource } from './secret-texts.ts'
import { checkSecrets, type Secrets } from './secrets.ts'
import { type ParametersReading, type ParametersSource, ParametersUnread } from './secrets-parameters.ts'

export interface SecretsReaderDeps {
  environment: SecretsSource
  parameters?: ParametersSource | undefined
  kms?: KmsKeys | undefined
  hostname: string
  clock: Clock
}

/** What a look at everything came to. */
export interface SecretsOutcome {
  /** Absent: what was read cannot be used, and `problems` say why. */
  secrets?: Secrets
  problems: Problem[]
  /** Why the parameters do not serve, be it that the environment does in their place or that nothing does. */
  refused?: Problem[]
  /** The Parameter Store gave no answer. */
  unread?: string
  /** The same for the same texts and keys. */
  fingerprint: string
}

/** Reads secrets from everywhere, and checks them together. */
export interface SecretsReader {
  read(): Promise<SecretsOutcome>
  /** Whether a change can come without a signal, and must be looked for. */
  changesByItself: boolean
}

const fingerprintOf = ({ texts }: SecretsReading, kms: KmsKeys | undefined): string =>
  sha256Hex(
    JSON.stringify([
      Object.entries(texts).sort(([one], [other]) => (one < other ? -1 : 1)),
      (['issuer', 'serverIssuer', 'audit'] as const).map((use) =>
        kms?.known(use).map(({ signer }) => spkiOf(signer.publicKey).toString('base64')),
      ),
    ]),
  )

/** The environment first; the Parameter Store in its place once it was read with success, and for good. */
export const makeSecretsReader = (deps: SecretsReaderDeps): SecretsReader => {
  const { environment, parameters, kms, hostname, clock } = deps
  /** Parameters have passed all checks once: from then on the environment does not serve in their place. */
  let taken = false

  /** A key that fits no certificate may be one that was behind an alias: KMS is asked once more before it counts. */
  const check = async (reading: SecretsReading): Promise<{ secrets?: Secrets; problems: Problem[] }> => {
    await kms?.open()
    const first = checkSecrets(reading, { hostname, now: clock(), kms })
    if (kms === undefined || first.strangers.length === 0) return first
    await kms.open(true)
    const second = checkSecrets(reading, { hostname, now: clock(), kms })
    for (const { id } of second.strangers) kms.mistrust(id)
    return second
  }

  const withParameters = (own: SecretsReading, read: ParametersReading): SecretsReading => ({
    texts: { ...own.texts, ...read.texts },
    problems: [...own.problems, ...read.problems],
    // What is wrong with a parameter is said once; it is not missing as well.
    unreadable: new Set([...own.unreadable, ...(parameters?.wanted ?? [])]),
  })

  return {
    changesByItself: parameters !== undefined,
    read: async () => {
      const readEnvironment = async (): Promise<SecretsOutcome> => {
        const own = await environment.read()
        return { ...(await check(own)), fingerprint: fingerprintOf(own, kms) }
      }
      if (parameters === undefined) return readEnvironment()

      let unread: string | undefined
      const read = await parameters.read().catch((error: unknown): ParametersReading => {
        if (!(error instanceof ParametersUnread)) throw error
        unread = error.message
        return { texts: {}, problems: [{ name: variables.ssmPrefix.env, message: error.message }] }
      })
      const reading = withParameters(await environment.read(parameters.wanted), read)
      const checked = await check(reading)
      if (checked.secrets !== undefined) {
        taken = true
        return { ...checked, fingerprint: fingerprintOf(reading, kms) }
      }
      const refused = { refused: checked.problems, ...(unread === undefined ? {} : { unread }) }
      if (taken) return { problems: checked.problems, ...refused, fingerprint: fingerprintOf(reading, kms) }
      return { ...(await readEnvironment()), ...refused }
    },
  }
}
