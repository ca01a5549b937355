import { openEpochFile } from '../store/epoch-file.ts'
import type { EpochMemory } from '../store/epoch-memory.ts'
import { type EpochParameterOptions, openEpochParameter } from '../store/epoch-parameter.ts'
import type { EpochPlace } from './config.ts'
import { makeStoreGuard, type StoreGuard, type StoreGuardDeps } from './store-guard.ts'

type SsmClient = EpochParameterOptions['client']

const memoryOf = (place: EpochPlace | undefined, client: SsmClient): EpochMemory | undefined => {
  if (place === undefined) return undefined
  if ('file' in place) return openEpochFile(place.file)
  return openEpochParameter({ name: place.parameter, ...(client && { client }) })
}

/** The guard of one process, with the memory that its configuration names. */
export const composeGuard = ({
  place,
  ssm,
  timing,
  ...deps
}: Pick<StoreGuardDeps, 'epochs' | 'clock' | 'log' | 'onHeld' | 'isAnswering'> & {
  place: EpochPlace | undefined
  /** Where the Parameter Store is, when not where the standard AWS variables say. */
  ssm: SsmClient
  timing: StoreGuardDeps['timing'] | undefined
}): StoreGuard =>
  makeStoreGuard({
    ...deps,
    memory: memoryOf(place, ssm),
    implied: place?.implied ?? false,
    random: Math.random,
    ...(timing && { timing }),
  })

/** Lets a verb be called only while admission is open. */
export const makeWhenOpen =
  (guard: Pick<StoreGuard, 'isOpen' | 'opening'>) =>
  <A extends unknown[], T>(verb: (...asked: A) => Promise<T>) =>
  (...asked: A): Promise<T> =>
    guard.isOpen() ? verb(...asked) : guard.opening().then(() => verb(...asked))

/** What is done without being asked is left out while admission is held. */
export const makeWhileOpen =
  (guard: Pick<StoreGuard, 'isOpen'>) => (work: () => Promise<void>) => async (): Promise<void> => {
    if (guard.isOpen()) await work()
  }
