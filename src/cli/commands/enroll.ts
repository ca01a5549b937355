import { Option } from 'commander'
import { readServer } from '../connection.ts'
import { configurationError, usageError } from '../errors.ts'
import { fingerprintOption, type JoinFlags, proofOptions } from '../join-options.ts'
import type { Verb } from '../noun.ts'
import { collectPair, forceOption, readPrincipalId } from '../options.ts'
import type { Session } from '../session.ts'
import { certificateView } from '../views.ts'

interface EnrollFlags extends JoinFlags {
  metadata?: Record<string, string>
  outputDir?: string
  force?: true
}

/** Joins a plane from a machine that has nothing yet. */
export const enrollVerb = (session: Session): Verb => ({
  name: 'enroll',
  summary: 'join: get this machine its first certificate',
  description:
    'Speaks to the enrolment listener. The key is made here and never leaves this machine. Writes the state directory that `airunner agent run` goes on with: identity.pem (0600, key and chain), and cert.pem, key.pem, ca.pem for other programs. With --ca-fingerprint an unverified connection is used to get the trust bundle and for nothing else: every root but the one of that fingerprint is discarded, and only a verified connection carries the proof. When the answer is lost, run the same command again: it goes on with the same key and gets the same certificate.',
  options: [
    ...proofOptions(),
    fingerprintOption(),
    new Option('--id <id>', 'the principal to become, where the token or rule leaves it open').argParser(
      readPrincipalId,
    ),
    new Option('--metadata <key=value>', 'a label for the registry; may be given several times').argParser(collectPair),
    new Option('--output-dir <directory>', 'where the files go; the state directory of the agent otherwise'),
    forceOption(),
  ],
  examples: [
    'airunner enroll --server https://airunner.example.com:8444 --token-file token --ca-fingerprint sha256:9f2b… --output-dir ./worker-1',
    'airunner enroll --server https://airunner.example.com:8444 --aws-iam --cacert ca.pem',
  ],
  run: async ({ options }) => {
    const flags = options as EnrollFlags
    const { defaultStateDirectory, demandPlaneName, proofOf, trustOf } = await import('../joining.ts')
    const proof = proofOf(session, flags)
    if (proof === undefined)
      throw usageError('no way to join is given', 'Give one of --token-file, --aws-iam, --oidc-token-file.')
    const settings = await session.ownSettings()
    if (settings.server === undefined)
      throw usageError('no server is given', 'Give the enrolment listener: --server https://HOST:8444.')
    const server = readServer(settings.server)
    demandPlaneName(proof, server)
    const trust = await trustOf(settings, flags)
    if (trust === undefined)
      throw configurationError('nothing says which server to trust', {
        why: 'A machine that joins has no trust bundle yet.',
        next: 'Give --cacert FILE, or --ca-fingerprint sha256:HEX.',
      })
    const { enroll } = await import('../enroll.ts')
    const outputDir = flags.outputDir ?? defaultStateDirectory(session.io.env)
    const enrollment = await enroll(session, {
      server,
      trust,
      proof,
      ...(flags.id === undefined ? {} : { principalId: flags.id }),
      ...(flags.metadata === undefined ? {} : { metadata: flags.metadata }),
      outputDir,
      force: flags.force === true,
    })
    await session.print().record(certificateView, enrollment.certificate)
    await session.note(
      `Joined as ${enrollment.principal.principal_id}. Wrote identity.pem, cert.pem, key.pem and ca.pem to ${outputDir}.`,
    )
    await session.note(`To keep it good: airunner agent run --server https://HOST --state-dir ${outputDir}`)
  },
})
