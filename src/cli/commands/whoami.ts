import type { Whoami } from '../../wire/whoami.ts'
import type { Verb } from '../noun.ts'
import type { Session } from '../session.ts'
import { whoamiView } from '../views.ts'

/** The caller as the server sees it. */
export const whoamiVerb = (session: Session): Verb => ({
  name: 'whoami',
  summary: 'show as whom the server knows you, and what you may do',
  examples: ['airunner whoami', 'airunner whoami -o json'],
  run: async () => {
    const client = await session.connect()
    const whoami = await client.get<Whoami>('/v1/whoami')
    const { output } = session.globals()
    if (output !== 'table' && output !== 'wide') return session.print().record(whoamiView, whoami)
    const { principal, certificate, permissions } = whoami
    await session.print().record(
      { name: () => principal.principal_id },
      {
        principal_id: principal.principal_id,
        type: principal.type,
        status: principal.status,
        server: client.connection.server.url,
        serial_number: certificate.serial_number,
        fingerprint: certificate.fingerprint,
        expires_at: certificate.expires_at,
        permissions,
      },
    )
  },
})
