import { second } from '../core/time.ts'
import { type KmsSigner, type KmsSignerOptions, openKmsSigner } from '../pki/kms-signer.ts'
import { NoTurn } from '../pki/kms-turns.ts'
import type { Signer } from '../pki/signer.ts'
import { TrustProblem } from '../pki/trust.ts'
import { awsReason } from './aws-reason.ts'
import type { AwsSettings } from './config.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import { variables } from './options.ts'
import { type Problem, quoted } from './problems.ts'

/** Which certificates a key signs; `storedIssuer`: the registry names it beside the issuer's certificate; `audit`: none, but checkpoints. */
export type KmsUse = 'issuer' | 'serverIssuer' | 'storedIssuer' | 'audit'

/** A key that KMS has told us of. */
export interface KmsKey {
  id: string
  /** The variable that names it. */
  variable: string
  signer: Signer
}

export interface KmsKeysDeps {
  keys: Pick<AwsSettings, 'issuer_kms_keys' | 'server_issuer_kms_keys' | 'audit_kms_keys'>
  /** In the place of the standard AWS variables and the limits of production. */
  signer?: Omit<KmsSignerOptions, 'keyId' | 'observe'>
  /** Between two tries of a key that fails: the first, doubled up to the longest. Milliseconds. */
  pauses?: { first: number; longest: number }
  random?: () => number
}

/** The keys in KMS that this process signs with. KMS may be out of reach at any time, also from the start on. */
export interface KmsKeys {
  /** Asks KMS for each key that is not known yet; for all of them with `again`. Never rejects; what is known stays known. */
  open(again?: boolean): Promise<void>
  known(use: KmsUse): KmsKey[]
  /** Keys that are of no use for an issuer, as KMS itself says. */
  problems(): Problem[]
  /** Names of keys of which nothing is known yet. */
  unknown(use: KmsUse): string[]
  /** Keys of use `storedIssuer`: these are asked for from now on, and no others. */
  want(ids: string[]): void
  /** A key that fits no certificate: it is asked for again, for an alias may be put right. */
  mistrust(id: string): void
  /** From now on it is told, counted, and tried again in the background; `onFound` hears of keys that became known. */
  start(deps: { log: Log; metrics: Pick<Metrics, 'signerAnswered'>; onFound: () => void }): void
  stop(): void
}

interface Watched extends Signer {
  /** The last signature failed, or none was made. */
  failing: boolean
}

interface Held {
  id: string
  variable: string
  use: KmsUse
  signer?: Watched
  /** Of the client behind the last signer. */
  close?: () => Promise<void>
  problem?: Problem
  /** Why it does not sign now, and whether that is in the log. */
  reason?: string
  told: boolean
}

/** Signed to learn whether a key signs; no certificate begins like this. */
const probe = Buffer.from('airunner: is this key in reach?')
const usual = { first: second, longest: 30 * second }

/** Holds the keys that the configuration names; asks nothing of KMS before `open`. */
export const makeKmsKeys = (deps: KmsKeysDeps): KmsKeys => {
  const { keys, pauses = usual, random = Math.random } = deps
  const { issuerKmsKeyId, serverIssuerKmsKeyId, auditKmsKeyId } = variables
  const held: Held[] = [
    ...keys.issuer_kms_keys.map((id) => ({ id, use: 'issuer' as const, variable: issuerKmsKeyId.env, told: false })),
    ...keys.server_issuer_kms_keys.map((id) => ({
      id,
      use: 'serverIssuer' as const,
      variable: serverIssuerKmsKeyId.env,
      told: false,
    })),
    ...(keys.audit_kms_keys ?? []).map((id) => ({
      id,
      use: 'audit' as const,
      variable: auditKmsKeyId.env,
      told: false,
    })),
  ]
  let background: Parameters<KmsKeys['start']>[0] | undefined
  let timer: NodeJS.Timeout | undefined
  let pause = pauses.first

  const tell = (key: Held) => {
    if (background === undefined || key.told || key.reason === undefined) return
    background.log.error({ event: 'issuer_degraded', kms_key: key.id, reason: key.reason })
    key.told = true
  }
  const failed = (key: Held, error: unknown) => {
    const reason = awsReason(error)
    if (reason !== key.reason) key.told = false
    key.reason = reason
    tell(key)
    look()
  }
  const succeeded = (key: Held) => {
    if (key.told) background?.log.info({ event: 'issuer_recovered', kms_key: key.id })
    delete key.reason
    key.told = false
  }

  const watched = (key: Held, signer: KmsSigner): Watched => {
    const self: Watched = {
      publicKey: signer.publicKey,
      failing: true,
      ready: () => !self.failing,
      sign: async (tbs) => {
        try {
          const signature = await signer.sign(tbs)
          self.failing = false
          succeeded(key)
          return signature
        } catch (error) {
          // That others are before us says nothing about KMS.
          if (!((error as Error).cause instanceof NoTurn)) {
            self.failing = true
            failed(key, error)
          }
          throw error
        }
      },
    }
    return self
  }
  /** To know a key is not yet to be allowed to sign with it. */
  const tryOut = (signer: Signer): Promise<unknown> => signer.sign(probe).catch(() => undefined)

  const openOne = async (key: Held) => {
    try {
      const signer = await openKmsSigner({
        ...deps.signer,
        keyId: key.id,
        random,
        observe: (operation, outcome, seconds) => background?.metrics.signerAnswered(operation, outcome, seconds),
      })
      // Whoever still signs with the one before goes on, over connections of its own.
      void key.close?.()
      key.close = signer.close
      delete key.problem
      key.signer = watched(key, signer)
      await tryOut(key.signer)
    } catch (error) {
      if (error instanceof TrustProblem) {
        key.problem = { name: key.variable, message: `${quoted(key.id)}: ${error.message}` }
        delete key.signer
      }
      failed(key, error)
    }
  }

  const mustBeSeenTo = ({ signer }: Held): boolean => signer === undefined || signer.failing
  const seeTo = async () => {
    timer = undefined
    const lost = held.filter(mustBeSeenTo)
    const before = lost.map(({ signer, problem }) => signer ?? problem?.message)
    await Promise.all(lost.map((key) => (key.signer === undefined ? openOne(key) : tryOut(key.signer))))
    if (lost.some(({ signer, problem }, index) => (signer ?? problem?.message) !== before[index])) background?.onFound()
    look()
  }
  const look = () => {
    if (background === undefined || timer !== undefined) return
    if (!held.some(mustBeSeenTo)) {
      pause = pauses.first
      return
    }
    timer = setTimeout(() => void seeTo(), pause * (0.5 + random() / 2)).unref()
    pause = Math.min(pauses.longest, pause * 2)
  }

  return {
    open: async (again = false) => {
      const configured = held.filter(({ use }) => use !== 'storedIssuer')
      await Promise.all(configured.filter(({ signer }) => again || signer === undefined).map(openOne))
    },
    known: (use) =>
      held.flatMap(({ id, variable, signer, use: of }) =>
        of === use && signer !== undefined ? [{ id, variable, signer }] : [],
      ),
    problems: () => held.flatMap(({ problem, use }) => (use === 'storedIssuer' ? [] : (problem ?? []))),
    unknown: (use) => held.flatMap((key) => (key.use === use && key.signer === undefined ? [key.id] : [])),
    mistrust: (id) => {
      for (const key of held) {
        if (key.id !== id) continue
        delete key.signer
        failed(key, new Error('its public key is in no certificate of an issuer'))
      }
    },
    want: (ids) => {
      for (const key of held.filter(({ id, use }) => use === 'storedIssuer' && !ids.includes(id))) {
        held.splice(held.indexOf(key), 1)
        void key.close?.()
      }
      const there = held.flatMap(({ id, use }) => (use === 'storedIssuer' ? [id] : []))
      for (const id of new Set(ids.filter((each) => !there.includes(each)))) {
        const key: Held = { id, use: 'storedIssuer', variable: 'kms_key_id', told: false }
        held.push(key)
        void openOne(key).then(() => {
          if (key.signer !== undefined) background?.onFound()
        })
      }
    },
    start: (given) => {
      background = given
      held.forEach(tell)
      look()
    },
    stop: () => {
      background = undefined
      clearTimeout(timer)
      timer = undefined
      for (const { close } of held) void close?.()
    },
  }
}
