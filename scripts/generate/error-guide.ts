import type { ErrorCode } from '../../src/core/errors.ts'

export interface Guide {
  /** What has happened, and why the plane refuses. */
  means: string
  /** What to do next, for the one who reads it at three in the morning. */
  next: string
}

const newCertificate =
  'Ask an admin for a new certificate (`airunner certificate generate PRINCIPAL_ID`), or join again.'

/** What each code means and the way out; docs/errors.md is made from it. */
export const errorGuide = {
  invalid_request: {
    means:
      'Something in the path, the query, the headers or the body is not what the schema of this call allows: a field is unknown, missing, of another type or out of its range. Nothing is coerced and nothing is dropped, so nothing was done.',
    next: 'Read `errors`: each entry has a JSON pointer (`/query/…` and `/headers/…` for those parts) and what was expected. docs/api.md lists the fields.',
  },
  csr_invalid: {
    means:
      'The certificate request is not one strict DER value in one PEM block of at most 8 KB, or its signature does not prove possession of the key. `detail` has the exact reason.',
    next: 'Make it anew, for example with `openssl req -new -key key.pem -subj /CN=x`, and send the whole block and nothing else. Subject and extensions do not matter: they are ignored.',
  },
  csr_key_rejected: {
    means:
      'The key in the request is not an uncompressed point on the named curve P-256, or the request is not signed with ecdsa-with-SHA256.',
    next: 'Make a key with `openssl ecparam -name prime256v1 -genkey -noout`, or leave out `--csr` and let `airunner` make one.',
  },
  page_token_mismatch: {
    means: 'The page token was given out for a list with other filters, or is not one of ours.',
    next: 'Send the filters of the first page again, unchanged, or start from the first page.',
  },
  certificate_unregistered: {
    means:
      'One of our issuers signed this certificate, yet the registry has no row for it: it is of another deployment, older than the registry keeps rows, or the registry was restored from a backup made before it was issued.',
    next: `Check that the server is the one you mean. ${newCertificate} After a restore, follow the restore runbook.`,
  },
  certificate_untrusted: {
    means:
      'The certificate is not one for clients of this plane: its profile (usage, names, extensions) is another, or its issuer has been removed.',
    next: `\`airunner certificate inspect FILE\` shows what it is for. ${newCertificate}`,
  },
  certificate_not_yet_valid: {
    means:
      'By the clock of the server, the validity of the certificate has not begun. Certificates begin a minute in the past, so one of two clocks is off.',
    next: 'Compare the clocks (`airunner doctor` does) and set the wrong one right.',
  },
  certificate_revoked: {
    means:
      'Somebody revoked this certificate, or one that it was renewed from together with all its successors. That is final.',
    next: `\`airunner audit list --target SERIAL\` says who, when and why. ${newCertificate}`,
  },
  certificate_superseded: {
    means:
      'Its successor has been used and the grace time is over. When you did not renew it, somebody else has the successor: this use is audited as `certificate.reuse`.',
    next: `Use the successor. If you do not have it, revoke it with \`key_compromise\`. ${newCertificate}`,
  },
  certificate_expired: {
    means: 'The certificate is past its end by the clock of the server.',
    next: `${newCertificate} Then see why the renewal did not happen: \`airunner doctor\` shows when the next one is due.`,
  },
  principal_suspended: {
    means:
      'An admin has suspended the principal. None of its certificates is let in until that is lifted; none is lost.',
    next: 'Ask an admin; `airunner principal get ID` shows the reason and `airunner principal activate ID` lifts it, within two seconds everywhere.',
  },
  principal_deleted: {
    means: 'The principal has been deleted and its certificates revoked. Its id is never given out again.',
    next: 'Create a principal with another id.',
  },
  join_refused: {
    means: 'The proof of joining was not accepted. The caller is told no more than this, on purpose.',
    next: 'An admin finds the reason in the audit log: `airunner audit list --action join.refuse`. Usual ones: a token used up or past its time, another type or id than it allows, no join rule that matches.',
  },
  permission_denied: {
    means: 'You were let in, and your type may not do this.',
    next: '`airunner whoami` lists what you may do; docs/permissions.md has the whole table. Use the certificate of an admin.',
  },
  not_found: {
    means: 'There is no such record, or no such path. A list may still show a record for a moment after it is gone.',
    next: 'Check the id or the serial number (32 lower-case hex digits); the list call of the same resource shows what there is.',
  },
  method_not_allowed: {
    means: 'The path exists and does not know this method.',
    next: 'The `Allow` header has those that it knows.',
  },
  not_acceptable: {
    means: 'The `Accept` header rules out everything that this call can answer.',
    next: 'Leave the header out, or accept `application/json` and `application/problem+json`.',
  },
  request_timeout: {
    means: 'The headers did not arrive within 5 s, or the body within 10 s. The connection is closed.',
    next: 'Try again. If it stays so, look at what lies between: a proxy, a full uplink, a stalled upload.',
  },
  payload_too_large: {
    means: 'The body is larger than 64 KB.',
    next: 'No call needs that much. A certificate request has at most 8 KB.',
  },
  uri_too_long: {
    means: 'The URL is longer than 2 KB.',
    next: 'Send fewer or shorter filters. A page token is passed on as it was given.',
  },
  unsupported_media_type: {
    means: 'A body was sent that is not declared as JSON.',
    next: 'Send `Content-Type: application/json`, in UTF-8 and without `Content-Encoding`.',
  },
  headers_too_large: {
    means: 'The headers together are larger than 16 KB.',
    next: 'Leave out what a proxy or a browser has added; no call needs cookies.',
  },
  principal_exists: {
    means: 'The id is taken, by a principal that may be suspended or deleted.',
    next: 'Take another id, or change the one there is (`airunner principal update ID`). To be safe against lost answers, send an `Idempotency-Key`.',
  },
  certificate_quota_exceeded: {
    means:
      'The principal holds as many live certificates as `max_certificates` allows. A certificate and its unused successor count once; renewing needs no free place.',
    next: 'Revoke one that is no longer used (`airunner certificate list PRINCIPAL_ID`), or raise the limit, up to 10.',
  },
  key_already_registered: {
    means: 'This key belongs to another principal or to an issuer, or it was revoked as compromised.',
    next: 'Make a new key for each certificate; never copy one between machines.',
  },
  last_admin: {
    means:
      'This would leave no active admin with a certificate that is good for another hour, and nobody could mend that over the API.',
    next: 'Issue a certificate to another admin first, then try again. When all are lost: `airunner bootstrap --recover-admin`.',
  },
  rotation_not_ready: {
    means:
      'This step of a rotation would break something: a live server does not have the key of the new issuer, or agents have not yet taken over the new root. `detail` counts the stragglers, `stragglers` names up to 100 of them. Of `remove`: certificates of the issuer are in use, or may still be on their way.',
    next: 'Wait for them, or take them out of service. `force` skips the check and is audited.',
  },
  invalid_transition: {
    means:
      'The record is in a state from which this is not possible: activating a deleted principal, issuing to one that is not active, a step of a rotation out of order.',
    next: 'Read the record; `detail` has its state. A suspended principal is activated first.',
  },
  version_mismatch: {
    means: 'The record has another version than `If-Match` names: somebody was faster. Nothing was changed.',
    next: 'Read it again, look at what has changed, decide again, and send the new version.',
  },
  idempotency_key_reused: {
    means: 'This `Idempotency-Key` came with another body within the last 24 hours. Nothing was done for this request.',
    next: 'Take a new key for each new intention, and the old one, with the same octets, only to repeat a request.',
  },
  rate_limited: {
    means:
      'The principal has asked more than 50 times a second for longer than its burst of 100 allows; on the enrolment listener: too many failed proofs from this source.',
    next: 'Wait for the seconds in `Retry-After`, with jitter. Keep one connection open and reuse it.',
  },
  internal_error: {
    means:
      'Something that we did not foresee. No detail is given; the log of the server has the cause under this `request_id`.',
    next: 'Give the `request_id` to whoever runs the server. Repeating is safe with an `Idempotency-Key`.',
  },
  store_unavailable: {
    means:
      'The registry did not answer in time, or not with certainty. Without it nobody is let in and nothing is changed: what was decided a moment ago still holds. Nor is anybody let in while the tables may be restored ones (`store_epoch` in `/readyz`: docs/restore.md).',
    next: 'Try again after `Retry-After`. If it stays so, `/readyz` of the server names the failing check; look at the tables, the network and the credentials.',
  },
  issuer_unavailable: {
    means:
      'This server has no usable issuer: none was configured, it has expired, or its key does not answer. Verifying and revoking go on. When joining, also: AWS, or who issued the id token, does not answer, so that nothing is proven and nothing is refused.',
    next: 'Joining: wait for the seconds in `Retry-After` and try again; `airunner audit list --action join.refuse` says who did not answer. Otherwise give the server an issuer certificate and its key (docs/configuration.md); where one was configured and does not work, `/readyz` says `issuer`.',
  },
  overloaded: {
    means: 'The server has more to do than it can do in time and sheds what can wait. Revocations and health go first.',
    next: 'Wait for the seconds in `Retry-After`, with jitter, and try again. If it happens often, add processes (`--workers`) or servers.',
  },
} as const satisfies Record<ErrorCode, Guide>
