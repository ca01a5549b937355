#!/bin/sh
# Makes the tables and what a plane starts from, then lays out for the servers what is theirs: never the key of the root, nor
# the admin's. Run again it changes nothing; cut off anywhere it is run again to the end.
set -eu
umask 077

airunner bootstrap --local --hostname "$AIRUNNER_HOSTNAME" --output-dir /var/lib/airunner/plane -o name

for name in ca-cert issuer-cert issuer-key server-cert server-key; do
  cp "/var/lib/airunner/plane/$name.pem" "/etc/airunner/.$name.tmp"
  # A server that reads now finds the old file or the new one, whole.
  mv "/etc/airunner/.$name.tmp" "/etc/airunner/$name.pem"
done
