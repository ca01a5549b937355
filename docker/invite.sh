#!/bin/sh
# Makes a join token, and lays it where agents find it, beside the root by which they know the plane.
set -eu
umask 077

answer=/etc/airunner/.answer.json
airunner token create --type worker --id-prefix compose- --ttl 1h --max-uses 10 -o json > "$answer"
node -e '
  const { readFileSync, renameSync, writeFileSync } = require("node:fs")
  writeFileSync("/etc/airunner/.token", JSON.parse(readFileSync(process.argv[1], "utf8")).join_token, { mode: 0o600 })
  renameSync("/etc/airunner/.token", "/etc/airunner/token")
' "$answer"
rm "$answer"
cp /var/lib/airunner/plane/ca-cert.pem /etc/airunner/ca-cert.pem
