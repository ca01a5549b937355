import type { ErrorCode } from '../core/errors.ts'

/** The way out of each refusal, for a person at a terminal. Codes whose detail already says it all have none. */
const nextSteps: Record<ErrorCode, string | undefined> = {
  invalid_request: undefined,
  csr_invalid: 'Make the request anew, e.g. with `openssl req -new -key KEY -subj /CN=x`, or leave out --csr.',
  csr_key_rejected: 'Make a P-256 key, or leave out --csr and let airunner make one.',
  page_token_mismatch: 'Start the listing from its first page.',
  certificate_unregistered:
    'Use a certificate that this plane issued; `airunner context list` shows where you connect to.',
  certificate_untrusted: 'Ask an admin for a new certificate: `airunner certificate generate`.',
  certificate_not_yet_valid: 'Check the clock of this machine with `airunner doctor`.',
  certificate_revoked: 'Ask an admin for a new certificate: `airunner certificate generate`.',
  certificate_superseded: 'Use the successor of this certificate, or ask an admin for a new one.',
  certificate_expired: 'Ask an admin for a new certificate: `airunner certificate generate`.',
  principal_suspended: 'Ask an admin to lift it: `airunner principal activate`.',
  principal_deleted: 'The id is never given out again; ask an admin for another principal.',
  join_refused: 'The audit log has the reason: `airunner audit list --action join.refuse`.',
  permission_denied: '`airunner whoami` shows what this principal may do.',
  not_found: 'The `list` verb of the same noun shows what there is.',
  method_not_allowed: undefined,
  not_acceptable: undefined,
  request_timeout: 'Try again.',
  payload_too_large: undefined,
  uri_too_long: undefined,
  unsupported_media_type: undefined,
  headers_too_large: undefined,
  principal_exists: 'Choose another id, or change the one there is with `airunner principal update`.',
  certificate_quota_exceeded:
    'Revoke one (`airunner certificate list`), or raise the limit: `airunner principal update ID --max-certificates N`.',
  key_already_registered: 'Make a new key: leave out --csr.',
  last_admin: 'Issue a certificate to another admin first: `airunner certificate generate`.',
  rotation_not_ready: '`airunner ca get` shows who is not ready.',
  invalid_transition: '`airunner principal get`, or `airunner ca list` for an issuer, shows the state.',
  version_mismatch: 'Read it again, decide again, and give the new version to --if-match.',
  idempotency_key_reused: 'Send this request with another idempotency key.',
  rate_limited: 'Wait a little and try again.',
  internal_error: 'Give the request_id to whoever runs the server; its log has the cause.',
  store_unavailable: 'Try again; if it stays so, look at /readyz of the server.',
  issuer_unavailable: 'Try again; if it stays so, whoever runs the server must give it an issuer key that works.',
  overloaded: 'Wait a little and try again.',
}

export const nextStepOf = (code: string): string | undefined => (nextSteps as Record<string, string | undefined>)[code]
