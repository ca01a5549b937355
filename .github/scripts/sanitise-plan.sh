#!/usr/bin/env bash
# Takes out of a plan (stdin) what no comment may show, and what would break out of a code block. Terraform hides what it knows
# to be sensitive; this is for what it does not know.
set -euo pipefail
# Colours and other control characters first: between the letters of a secret they would hide it from the rest.
sed -E 's/\x1b\[[0-9;]*[A-Za-z]//g' | tr -d '\000-\010\013-\037\177' | awk '
  /-----BEGIN [A-Z0-9 ]+-----/ { sub(/-----BEGIN .*/, "(PEM left out)"); inside = 1; print; next }
  /-----END [A-Z0-9 ]+-----/   { inside = 0; next }
  !inside { print }
' | sed -E '
  s/airj_[A-Za-z0-9_-]+/(join token left out)/g
  s/\b(AKIA|ASIA)[A-Z0-9]{16}\b/(access key left out)/g
  s/\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/(token left out)/g
  s/\bgh[pousr]_[A-Za-z0-9]{20,}/(token left out)/g
  s/(^|[^0-9])[0-9]{12}([^0-9]|$)/\1************\2/g
  s/(^|[^0-9])[0-9]{12}([^0-9]|$)/\1************\2/g
  s/`/'"'"'/g
'
