import { statusOfJoinToken } from '../../core/joining.ts'
import { type RestoreDeps, sideBySide } from './deps.ts'
import { makeReapplyJoining } from './reapply-joining.ts'
import { makeRevokeRows } from './revoke-rows.ts'

/**
 * Where nobody knows what was taken away since the copy: every certificate that was issued before `issuedBefore` (Unix ms)
 * falls, admins' included, every join token ends, and every join rule is switched off until somebody has looked at it.
 */
export const makeRevokeEverything = (deps: RestoreDeps) => {
  const { registry, clock } = deps
  const revokeRows = makeRevokeRows(deps)
  const joining = makeReapplyJoining(deps)

  return async (issuedBefore: number): Promise<string[]> => {
    // 1. Ways in, then who is in: a run that is cut off is run again.
    for (const rule of await registry.joinRules.all()) await joining.disableRule(rule.join_rule_id)
    let page_token: string | undefined
    do {
      const page = await registry.joinTokens.list({ limit: 100, ...(page_token === undefined ? {} : { page_token }) })
      const good = page.items.filter((token) => statusOfJoinToken(token, clock()) === 'active')
      await sideBySide(good, ({ join_token_id }) => joining.endToken(join_token_id))
      page_token = page.next_page_token
    } while (page_token !== undefined)
    // 2. Certificates.
    await revokeRows((row) => row.issued_at < issuedBefore)
    return [
      'no admin may be left: `airunner bootstrap … --recover-admin` issues a certificate to one',
      'principals that were suspended or deleted after the restore point are active again: `airunner principal list`, then suspend or delete them',
      'join rules that were changed or deleted after the restore point are as they were before; all are switched off: look at each, then enable it',
      'issuers that were removed after the restore point are known again: `airunner ca list`',
    ]
  }
}
