import { readRemembered, writeRemembered } from '../core/store-epoch.ts'
import { second, withinTime } from '../core/time.ts'
import { type EpochMemory, MemoryRefused, MemoryUnreadable } from './epoch-memory.ts'

export interface EpochParameterOptions {
  name: string
  /** In the place of the standard AWS variables. */
  client?: { endpoint?: string; region?: string; credentials?: { accessKeyId: string; secretAccessKey: string } }
  /** For one call with all its tries, milliseconds. */
  budget?: number
}

const connectionTimeout = second
const usualBudget = 5 * second

interface SdkError extends Error {
  $metadata?: { httpStatusCode?: number }
  $retryable?: unknown
}

/** The service has answered, and its answer is no. */
const isRefusal = (thrown: unknown): boolean => {
  const { name, $metadata, $retryable } = thrown as SdkError
  const status = $metadata?.httpStatusCode ?? 0
  if (/Throttl|TooMany|RateExceeded|LimitExceeded|ExpiredToken|RequestTimeout/.test(name) || $retryable) return false
  return status >= 400 && status < 500 && status !== 408 && status !== 429
}

/** What Terraform puts there before anybody has written: as good as nothing. */
const placeholder = 'placeholder'

/** A parameter of type String in the Parameter Store; the SDK is loaded at the first call. */
export const openEpochParameter = ({
  name,
  client: options,
  budget = usualBudget,
}: EpochParameterOptions): EpochMemory => {
  const load = async () => {
    const { GetParametersCommand, PutParameterCommand, SSMClient } = await import('@aws-sdk/client-ssm')
    const client = new SSMClient({ ...options, maxAttempts: 3, requestHandler: { connectionTimeout } })
    return { client, GetParametersCommand, PutParameterCommand }
  }
  let loaded: ReturnType<typeof load> | undefined
  const call = async <T>(
    what: string,
    run: (sdk: Awaited<ReturnType<typeof load>>, abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    loaded ??= load()
    const sdk = await loaded
    try {
      return await withinTime(budget, (abortSignal) => run(sdk, abortSignal))
    } catch (error) {
      throw isRefusal(error) ? new MemoryRefused(`cannot ${what} the parameter ${name}`, error) : error
    }
  }

  return {
    name,
    // Some 3 writes a second are all that an account has.
    isQuick: false,
    read: async () => {
      const { Parameters = [] } = await call('read', ({ client, GetParametersCommand }, abortSignal) =>
        client.send(new GetParametersCommand({ Names: [name] }), { abortSignal }),
      )
      const text = Parameters.find((one) => one.Name === name)?.Value
      if (text === undefined || text.trim() === placeholder) return undefined
      const mark = readRemembered(text)
      if (mark === undefined) throw new MemoryUnreadable(`the parameter ${name}`)
      return mark
    },
    write: async (mark) => {
      const command = { Name: name, Value: writeRemembered(mark), Type: 'String' as const, Overwrite: true }
      await call('write', ({ client, PutParameterCommand }, abortSignal) =>
        client.send(new PutParameterCommand(command), { abortSignal }),
      )
    },
  }
}
