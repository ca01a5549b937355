import { X509Certificate } from 'node:crypto'
import { Argument, InvalidArgumentError, Option } from 'commander'
import type { Authority } from '../../wire/authorities.ts'
import { bootstrapOptions } from '../bootstrap/options.ts'
import type { BundleFlags } from '../ca/bundle.ts'
import type { CrlFlags } from '../ca/crl.ts'
import { nearEndLines } from '../ca/near-end.ts'
import { placeOptions } from '../ca/place.ts'
import { collection, planeOver } from '../ca/plane.ts'
import type { PrepareFlags } from '../ca/prepare-issuer.ts'
import type { RemoveFlags } from '../ca/remove.ts'
import { stragglerLines, withStragglers } from '../ca/stragglers.ts'
import { configurationError, usageError } from '../errors.ts'
import type { Verb } from '../noun.ts'
import { limitOption, readSeconds, yesOption } from '../options.ts'
import { confirm } from '../prompt.ts'
import type { Session } from '../session.ts'
import { authorityView } from '../views.ts'

const readId = (text: string): string => {
  if (!/^[0-9a-f]{16}$/.test(text))
    throw new InvalidArgumentError('An id has 16 hex digits; `airunner ca list` shows them.')
  return text
}
const idArgument = (what = 'id of the issuer') => new Argument('<id>', what).argParser(readId)
const readReason = (text: string): string => {
  if (text.length < 1 || text.length > 256) throw new InvalidArgumentError('Expected 1 to 256 characters.')
  return text
}
const forceOptions = (): Option[] => [
  new Option('--force', 'go ahead although not everybody is ready; needs --reason'),
  new Option('--reason <text>', 'why, for the audit log').argParser(readReason),
]
const outputFileOption = (what: string) => new Option('--output-file <file>', what)

interface ForceFlags {
  force?: true
  reason?: string
  yes?: true
}
const forceBody = ({ force, reason }: ForceFlags) => {
  if (force === true && reason === undefined)
    throw usageError('--force needs --reason', 'The audit log says why it was done.')
  return { ...(force === true ? { force } : {}), ...(reason === undefined ? {} : { reason }) }
}
const withoutPem = ({ certificate_pem: _, ...about }: Authority) => about

const list = (session: Session): Verb => ({
  name: 'list',
  summary: 'list issuers and roots, with their state',
  description:
    'prepared: known, signs nothing. active: signs. retired: its certificates are still let in. removed: they are refused. trusted: a root in the configuration of the server that answers.',
  options: [limitOption()],
  examples: ['airunner ca list', 'airunner ca list -o wide'],
  run: async ({ options }) => {
    const client = await session.connect()
    const found: Authority[] = []
    for await (const each of client.pages<Authority>(collection, {}, options.limit)) found.push(each)
    await session.print().list(authorityView, found)
    for (const line of nearEndLines(found, session.io.now())) await session.note(line)
  },
})

const get = (session: Session): Verb => ({
  name: 'get',
  summary: 'show an issuer or a root, and how far servers and agents are with it',
  arguments: [idArgument('id of the issuer or root')],
  examples: ['airunner ca get 3f2a9c01d4e5b677', 'airunner ca get 3f2a9c01d4e5b677 -o json'],
  run: async ({ arguments: [id] }) => {
    const found = await planeOver(await session.connect()).get(id as string)
    const { output } = session.globals()
    if (output !== 'table' && output !== 'wide') return session.print().record(authorityView, found)
    const { rollout, ...about } = found
    const holders = rollout?.servers.filter(({ has_key }) => has_key).length
    await session.print().record(
      { name: () => about.issuer_id },
      {
        ...withoutPem(about),
        ...(rollout === undefined
          ? {}
          : {
              servers_with_key: `${holders} of ${rollout.servers.length}`,
              active_certificates: `${rollout.active_certificates_complete ? '' : 'more than '}${rollout.active_certificates}`,
              not_ready: rollout.stragglers_total,
            }),
      },
    )
    for (const line of stragglerLines(rollout?.stragglers ?? [], rollout?.stragglers_total)) await session.note(line)
  },
})

const prepare = (session: Session): Verb => ({
  name: 'prepare',
  summary: 'make a new issuer, or a new root, that is known and signs nothing yet',
  description:
    'Servers hold no key of a root, so it is used here and goes nowhere. What a run has begun, the next one finds and brings to its end. docs/rotation.md goes through a rotation step by step.',
  options: [
    new Option('--issuer', 'a new issuer below the newest root'),
    new Option('--root', 'a new root beside the old one').conflicts('issuer'),
    new Option('--ca-key-file <file>', 'file with the key of the root, PEM, and its certificate if need be').conflicts(
      'caKeySecret',
    ),
    ...placeOptions(),
    ...bootstrapOptions()
      .filter((each) => each.attributeName() === 'kmsIssuerKey')
      .map(({ flags }) =>
        new Option(flags, 'the key of the new issuer is in KMS: its id, ARN or alias').argParser((text: string) => {
          if (!/^(alias\/[\w/-]{1,250}|arn:aws[a-z-]*:kms:\S+|mrk-[0-9a-f]{32}|[0-9a-f-]{36})$/.test(text))
            throw new InvalidArgumentError('Expected the id, ARN or alias/NAME of a KMS key.')
          return text
        }),
      ),
    new Option('--output-dir <directory>', 'where new keys and certificates go, without --ca-key-secret'),
  ],
  examples: [
    'airunner ca prepare --issuer --ca-key-secret /airunner/prod/ca-key',
    'airunner ca prepare --issuer --ca-key-secret /airunner/prod/ca-key --kms-issuer-key alias/airunner-prod-issuer-2',
    'airunner ca prepare --issuer --ca-key-file ca-key.pem --output-dir ./next',
    'airunner ca prepare --root --ca-key-secret /airunner/prod/ca-key',
    'airunner ca prepare --root --output-dir ./next',
  ],
  run: async ({ options }) => {
    const flags = options as PrepareFlags
    if (flags.issuer !== true && flags.root !== true) throw usageError('say which: --issuer or --root')
    // The authority's half needs what the server needs; the other commands run on Node 20 as well.
    if (!('validToDate' in X509Certificate.prototype))
      throw configurationError(`ca prepare needs Node 24.21 or newer, and this is ${process.version}`)
    if (flags.root === true) await (await import('../ca/prepare-root.ts')).prepareRoot(session, flags)
    else await (await import('../ca/prepare-issuer.ts')).prepareIssuer(session, flags)
  },
})

const activate = (session: Session): Verb => ({
  name: 'activate',
  summary: 'have an issuer sign from now on, on every server',
  description:
    'Refused while a live server has not its key, or, when its root is new, while an agent that was seen in the last 24 h does not trust it. The one before is prepared again: to go back, activate that.',
  arguments: [idArgument()],
  options: [...forceOptions(), yesOption()],
  examples: [
    'airunner ca activate 3f2a9c01d4e5b677',
    'airunner ca activate 3f2a9c01d4e5b677 --force --reason "build-7 is gone for good" -y',
  ],
  run: async ({ arguments: [id], options }) => {
    const flags = options as ForceFlags
    const body = forceBody(flags)
    if (flags.force === true)
      await confirm(session.io, `Activate ${id} although somebody may be left behind`, flags.yes === true)
    const plane = planeOver(await session.connect())
    const active = await plane.step(id as string, 'activate', body).catch((error: unknown) => {
      throw withStragglers(error, 'activate', id as string)
    })
    await session.print().record(authorityView, withoutPem(active))
    const before = (await plane.list()).filter(({ state, activated_at }) => state === 'prepared' && activated_at)
    await session.note(`${id} signs from now on, on every server within 5 s.`)
    for (const { issuer_id } of before)
      await session.note(
        `To go back: \`airunner ca activate ${issuer_id}\`. To go on: \`airunner ca retire ${issuer_id}\`.`,
      )
  },
})

const retire = (session: Session): Verb => ({
  name: 'retire',
  summary: 'ask the agents of an issuer to renew with the active one; its certificates are still let in',
  arguments: [idArgument()],
  options: [
    new Option('--renew-within <time>', 'spread their renewals over so long; an hour otherwise').argParser(readSeconds),
    ...forceOptions(),
    yesOption(),
  ],
  examples: ['airunner ca retire 3f2a9c01d4e5b677', 'airunner ca retire 3f2a9c01d4e5b677 --renew-within 12h'],
  run: async ({ arguments: [id], options }) => {
    const { renewWithin, ...flags } = options as ForceFlags & { renewWithin?: number }
    const body = { ...forceBody(flags), ...(renewWithin === undefined ? {} : { renew_within_seconds: renewWithin }) }
    if (flags.force === true) await confirm(session.io, `Retire ${id} all the same`, flags.yes === true)
    const plane = planeOver(await session.connect())
    const retired = await plane.step(id as string, 'retire', body).catch((error: unknown) => {
      throw withStragglers(error, 'retire', id as string)
    })
    await session.print().record(authorityView, withoutPem(retired))
    await session.note(
      `Retired ${id}. Whoever has no agent must renew or be issued anew; \`airunner ca get ${id}\` counts its active certificates.`,
    )
  },
})

const remove = (session: Session): Verb => ({
  name: 'remove',
  summary: 'refuse every certificate of an issuer; or take a root out of the bundle',
  description:
    'An issuer that has active certificates is removed with --force only. With --ca-key-secret its key and certificate are taken from where the servers of a deployment in AWS read them, and from the secret; a root is removed in no other way.',
  arguments: [idArgument('id of the issuer or root')],
  options: [
    ...forceOptions(),
    ...placeOptions(),
    new Option('--tasks-replaced', 'do not look for servers that may still have the key of the issuer'),
    yesOption(),
  ],
  examples: [
    'airunner ca remove 3f2a9c01d4e5b677',
    'airunner ca remove 3f2a9c01d4e5b677 --ca-key-secret /airunner/prod/ca-key',
    'airunner ca remove 3f2a9c01d4e5b677 --force --reason "its key was stolen" -y',
  ],
  run: async ({ arguments: [id], options }) => {
    const flags = options as RemoveFlags
    forceBody(flags)
    const { removeAuthority } = await import('../ca/remove.ts')
    await removeAuthority(session, flags, id as string)
  },
})

const bundle = (session: Session): Verb => ({
  name: 'bundle',
  summary: 'print the roots that the servers trust, PEM',
  options: [
    new Option('--truststore', 'the issuers as well, for whoever verifies without being sent the chain'),
    new Option('--without <id>', 'leave a root out: what to configure to have it forgotten').argParser(readId),
    outputFileOption('write it there, in the place of what is there'),
  ],
  examples: [
    'airunner ca bundle',
    'airunner ca bundle --output-file ca-cert.pem',
    'airunner ca bundle --truststore --output-file truststore.pem',
  ],
  run: async ({ options }) => {
    const { printBundle } = await import('../ca/bundle.ts')
    await printBundle(session, options as BundleFlags)
  },
})

const crl = (session: Session): Verb => ({
  name: 'crl',
  summary: 'fetch the list of revoked certificates of an issuer, and verify it',
  description:
    'Of the active issuer unless one is named. It is fetched from where your certificate says, or from --pki-url. Exit 1 when its signature or its date is not good.',
  arguments: [new Argument('[issuer-id]', 'id of the issuer').argParser(readId)],
  options: [
    new Option('--pki-url <url>', 'where the PKI listener is: http://HOST:PORT').argParser((text: string) => {
      const url = URL.canParse(text) ? new URL(text) : undefined
      if (url === undefined || !/^https?:$/.test(url.protocol))
        throw new InvalidArgumentError('Expected http://HOST:PORT.')
      return text
    }),
    outputFileOption('write it there: PEM if the name ends in .pem, DER otherwise'),
  ],
  examples: ['airunner ca crl --pki-url http://airunner.example.com:8081', 'airunner ca crl --output-file issuer.crl'],
  run: async ({ arguments: [id], options }) => {
    const { showCrl } = await import('../ca/crl.ts')
    await showCrl(session, options as CrlFlags, id)
  },
})

export const caVerbs = (session: Session): Verb[] => [
  list(session),
  get(session),
  prepare(session),
  activate(session),
  retire(session),
  remove(session),
  bundle(session),
  crl(session),
]
