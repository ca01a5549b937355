#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR
# Reads a running deployment and says of each promise whether it is kept. Changes nothing, and never reads a secret's value.
set -uo pipefail

usage() {
  cat <<'TEXT'
usage: verify.sh --environment NAME [flags]

Reads the deployment with the AWS CLI and reports each promise, one line each:

  ok   NAME  what was seen
  FAIL NAME  found: what was found; expected: what was promised; do: what to do
  ???? NAME  the same for what you may not read

  --application NAME   first half of every name (airunner)
  --environment NAME   second half: one deployment
  --region NAME        where it is (AWS_REGION, AWS_DEFAULT_REGION)
  --domain NAME        the certificate must be for APPLICATION-ENVIRONMENT.NAME (what --hostname of the task says)
  --admin-role ARN     who alone may read ca-key; without it, that it is one role
  --without NAME,…     promises that this deployment does not make, such as interface-endpoints-there
  --only PART,…        of tables, keys, secrets, balancer, service, roles, network,
                       watch, buckets; all of them otherwise
  --partial            what you may not read is no failure
  --json               one JSON document instead of lines
  --help

Exit code: 0 every promise is kept, 1 one is not, 2 nothing could be looked at.
Needs bash, the AWS CLI (1 or 2) and openssl. AWS_ENDPOINT_URL names an emulator.
TEXT
}

die() {
  printf 'verify.sh: %s\n' "$1" >&2
  [ -z "${2:-}" ] || printf '  %s\n' "$2" >&2
  exit 2
}

application=airunner
environment=
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
domain=
admin_role=
without=
only=
partial=no
json=no
while [ $# -gt 0 ]; do
  case $1 in
    --application | --environment | --region | --domain | --admin-role | --without | --only)
      [ $# -ge 2 ] || die "$1 needs a value" 'See verify.sh --help.'
      flag=${1#--}
      printf -v "${flag//-/_}" '%s' "$2"
      shift
      ;;
    --partial) partial=yes ;;
    --json) json=yes ;;
    --help | -h)
      usage
      exit 0
      ;;
    *) die "unknown: $1" 'See verify.sh --help.' ;;
  esac
  shift
done
[[ $application =~ ^[a-z][a-z0-9-]*[a-z0-9]$ ]] || die "--application is '$application'" 'Write it as in your tfvars, such as airunner.'
[[ $environment =~ ^[a-z][a-z0-9]*$ ]] || die "--environment is '$environment'" 'Write it as in your tfvars, such as prod.'
[ -n "$region" ] || die 'no region' 'Give --region, or set AWS_REGION.'
for tool in aws openssl awk; do
  command -v "$tool" >/dev/null || die "$tool is not installed" 'Install it, and have it on the PATH.'
done

export AWS_PAGER='' AWS_MAX_ATTEMPTS="${AWS_MAX_ATTEMPTS:-4}" AWS_RETRY_MODE=standard LC_ALL=C
work=$(mktemp -d) || die 'no temporary folder'
# Background questions are ended first: they write there.
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prefix=$application-$environment
parts='tables keys secrets balancer service roles network watch buckets'
judged=${only//,/ }
for part in $judged; do
  case " $parts " in *" $part "*) ;; *) die "--only is $part" "Write some of: $parts" ;; esac
done
judged=${judged:-$parts}
# What a part is judged by beside its own answers.
asked_for=$judged
for part in $judged; do
  case $part in
    tables) asked_for="$asked_for keys" ;;
    secrets | watch) asked_for="$asked_for keys service" ;;
    service) asked_for="$asked_for keys balancer" ;;
    roles | buckets) asked_for="$asked_for service" ;;
    network) asked_for="$asked_for balancer" ;;
  esac
done
# shellcheck source=verify/ask.sh
. "$here/verify/ask.sh"
# shellcheck source=verify/report.sh
. "$here/verify/report.sh"
# shellcheck source=verify/tables.sh
. "$here/verify/tables.sh"
# shellcheck source=verify/keys.sh
. "$here/verify/keys.sh"
# shellcheck source=verify/secrets.sh
. "$here/verify/secrets.sh"
# shellcheck source=verify/balancer.sh
. "$here/verify/balancer.sh"
# shellcheck source=verify/service.sh
. "$here/verify/service.sh"
# shellcheck source=verify/roles.sh
. "$here/verify/roles.sh"
# shellcheck source=verify/network.sh
. "$here/verify/network.sh"
# shellcheck source=verify/watch.sh
. "$here/verify/watch.sh"
# shellcheck source=verify/buckets.sh
. "$here/verify/buckets.sh"

ask caller sts get-caller-identity --query '[Account, Arn]'
wait
answered caller || die "AWS does not know you: $(why caller)" 'Log in (aws sso login, AWS_PROFILE), then try again.'
account=$(column caller 1)
partition=$(column caller 2 | cut -d : -f 2)
[ "$json" = yes ] || printf '%s in %s %s, seen by %s\n\n' "$prefix" "$account" "$region" "$(column caller 2)"

# What is found by its name tells where the rest is.
for step in ask_1 ask_2 ask_3 ask_4; do
  for part in $parts; do
    case " $asked_for " in *" $part "*) ;; *) continue ;; esac
    ! declare -F "${part}_$step" >/dev/null || "${part}_$step"
  done
  wait
done
for part in $judged; do "${part}_judge"; done
finish
