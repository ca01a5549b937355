import { fileMode, writeFileAtomic } from '../../client/files.ts'
import type { Authority } from '../../wire/authorities.ts'
import { CliError, exitCode } from '../errors.ts'
import { write } from '../io.ts'
import type { Session } from '../session.ts'
import { planeOver } from './plane.ts'

export interface BundleFlags {
  truststore?: true
  without?: string
  outputFile?: string
}

/** The roots, or issuers and roots for those who verify without being sent the chain. */
const chosen = (known: Authority[], { truststore, without }: BundleFlags): Authority[] => {
  const roots = known.filter(({ kind }) => kind === 'root')
  if (without !== undefined && !roots.some(({ issuer_id }) => issuer_id === without))
    throw new CliError(exitCode.notFound, `the servers trust no root ${without}`, {
      next: '`airunner ca list` shows the roots.',
    })
  const stay = roots.filter(({ issuer_id }) => issuer_id !== without)
  if (stay.length === 0)
    throw new CliError(exitCode.conflict, 'that would leave no root', { next: 'Add the new root first.' })
  const issuers = known.filter(({ kind, state }) => kind === 'issuer' && state !== 'removed')
  return truststore === true ? [...issuers, ...stay] : stay
}

/** `airunner ca bundle`: PEM, whatever the format of tables. */
export const printBundle = async (session: Session, flags: BundleFlags): Promise<void> => {
  const plane = planeOver(await session.connect())
  const authorities = chosen(await plane.list(), flags)
  const { output } = session.globals()
  const pem = authorities.map(({ certificate_pem }) => certificate_pem).join('')
  if (flags.outputFile !== undefined) {
    await writeFileAtomic(flags.outputFile, pem, fileMode.open)
    return session.note(`Wrote ${flags.outputFile}: ${authorities.map(({ issuer_id }) => issuer_id).join(', ')}.`)
  }
  if (output === 'table' || output === 'wide') return write(session.io.stdout, pem)
  await session.print().list({ name: ({ issuer_id }: Authority) => issuer_id, columns: [] }, authorities)
}
