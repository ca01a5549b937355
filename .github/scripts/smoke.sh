#!/usr/bin/env bash
# Looks from outside whether a plane does what it is for, over real mTLS: joins with this job's ID token, is let in, renews,
# is refused without a certificate, leaves, and is refused from then on. No key outlives it, and none is handed to it.
#   AIRUNNER_HOSTNAME=… AIRUNNER_CA_FINGERPRINT=sha256:… smoke.sh
# In a checkout with its packages; AIRUNNER_PORT and AIRUNNER_ENROLL_PORT (443, 8444) where they differ.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
plane=https://$AIRUNNER_HOSTNAME:${AIRUNNER_PORT:-443}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
state=$work/identity

step() { printf '== %s\n' "$*"; }
fail() { printf '::error::smoke test: %s\n' "$*" >&2; exit 1; }
airunner() { node "$here/../../src/cli/main.ts" "$@"; }
# By the identity of the state directory, over a connection of its own each time.
who() {
  airunner whoami -o json --server "$plane" --cacert "$state/ca.pem" --client-cert "$state/cert.pem" --client-key "$state/key.pem"
}

step 'joins with the ID token of this job'
"$here/id-token.sh" "$AIRUNNER_HOSTNAME" "$work/id-token"
airunner enroll --server "https://$AIRUNNER_HOSTNAME:${AIRUNNER_ENROLL_PORT:-8444}" --oidc-token-file "$work/id-token" \
  --ca-fingerprint "$AIRUNNER_CA_FINGERPRINT" --output-dir "$state" -o json >"$work/answer"
rm "$work/id-token"

step 'is let in, by every connection it makes'
for _ in 1 2 3 4 5; do
  [[ $(who | jq --raw-output .principal.status) == active ]] || fail 'not let in'
done

step 'renews, and is let in with the new certificate'
before=$(openssl x509 -in "$state/cert.pem" -noout -serial)
airunner certificate renew --server "$plane" --cacert "$state/ca.pem" --client-cert "$state/cert.pem" \
  --client-key "$state/key.pem" --output-dir "$work/renewed" -o json >"$work/answer"
state=$work/renewed
[[ $(openssl x509 -in "$state/cert.pem" -noout -serial) != "$before" ]] || fail 'the certificate is the same as before'
serial=$(who | jq --exit-status --raw-output .certificate.serial_number)

# Exits differ from one curl to the next; what counts is that no HTTP answer came.
step 'without a certificate there is no answer'
answer=$(curl --silent --output /dev/null --write-out '%{http_code}' --max-time 10 --cacert "$state/ca.pem" "$plane/v1/whoami") || true
[[ $answer == 000 ]] || fail "without a certificate the plane answered $answer"

step 'TLS 1.2 is not spoken'
if curl --silent --output /dev/null --max-time 10 --tls-max 1.2 --cacert "$state/ca.pem" --cert "$state/cert.pem" \
  --key "$state/key.pem" "$plane/v1/whoami"; then fail 'the plane speaks TLS 1.2'; fi

step 'revokes its certificate, and is refused from then on'
airunner certificate revoke "$serial" --reason cessation_of_operation --yes --server "$plane" --cacert "$state/ca.pem" \
  --client-cert "$state/cert.pem" --client-key "$state/key.pem" >"$work/answer"
# On the servers that did not take the revocation it counts within 1.5 s.
sleep 3
refusal=$(who 2>&1) && fail 'a revoked certificate is let in'
[[ $refusal == *certificate_revoked* ]] || fail "refused for another reason: $refusal"

step 'all is well'
