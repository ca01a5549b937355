# One line for each promise, and the sums.
# shellcheck shell=bash disable=SC2154,SC2034 # verify.sh sets and uses what is not of this file

kept=0
broken=0
unread=0
promised=
wrongs=

# promise NAME KEY...   begins a promise that is judged by these answers. False when one of them is not there: then the
# promise has been reported already, as unread where the caller may not look, and as broken where nothing was found.
promise() {
  promised=$1
  wrongs=
  shift
  case ",$without," in
    *",$promised,"*)
      report '--' 'left out by --without' '' ''
      return 1
      ;;
  esac
  local key
  for key in "$@"; do
    if answered "$key"; then continue; fi
    if [ ! -e "$work/$key.failed" ]; then
      report FAIL "$key was not looked at: what it belongs to was not found" "something to look at" \
        "see the other lines; check --application, --environment and --region"
    elif grep -qE 'AccessDenied|UnauthorizedOperation|AuthorizationError|not authorized' "$work/$key.err"; then
      report '????' "$(why "$key")" "to be allowed to read it" \
        "use a role that may, or --partial to leave out what you may not read"
    else
      report FAIL "$(why "$key")" "it is there" "apply infra/ again: terraform plan shows what is missing"
    fi
    return 1
  done
}

# wrong TEXT   notes a breach of the promise that has begun.
wrong() {
  wrongs="${wrongs:+$wrongs; }${1:-nothing}"
}

# verdict SEEN EXPECTED TODO   ends it: kept when no breach was noted.
verdict() {
  if [ -z "$wrongs" ]; then report ok "$1" "$2" "$3"; else report FAIL "$wrongs" "$2" "$3"; fi
}

# equal FOUND EXPECTED TODO   begins and ends a verdict on one value.
equal() {
  [ "$1" = "$2" ] || wrong "${1:-nothing}"
  verdict "$1" "$2" "$3"
}

report() {
  local status=$1 found=$2 expected=$3 todo=$4
  case $status in
    ok) kept=$((kept + 1)) ;;
    FAIL) broken=$((broken + 1)) ;;
    '????') unread=$((unread + 1)) ;;
    # Not promised here: counts for nothing.
    *) ;;
  esac
  if [ "$json" = yes ]; then
    printf '%s\t%s\t%s\t%s\t%s\n' "$status" "$promised" "$found" "$expected" "$todo" >>"$work/report"
  elif [ "$status" = ok ] || [ "$status" = '--' ]; then
    printf '%-4s %s  %s\n' "$status" "$promised" "$found"
  else
    printf '%s %s  found: %s; expected: %s; do: %s\n' "$status" "$promised" "$found" "$expected" "$todo"
  fi
}

# The sums, and with --json everything. The exit code of the whole program.
finish() {
  if [ "$json" = yes ]; then
    awk -F '\t' -v application="$application" -v environment="$environment" -v region="$region" '
      function text(value) {
        gsub(/\\/, "\\\\&", value)
        gsub(/"/, "\\\\\"", value)
        gsub(/[\001-\037]/, " ", value)
        return "\"" value "\""
      }
      BEGIN {
        word["ok"] = "kept"; word["FAIL"] = "broken"; word["????"] = "unread"; word["--"] = "not promised"
        printf "{\"application\":%s,\"environment\":%s,\"region\":%s,\"promises\":[", text(application), text(environment), text(region)
      }
      {
        count[word[$1]]++
        printf "%s{\"name\":%s,\"status\":%s,\"found\":%s", (NR > 1 ? "," : ""), text($2), text(word[$1]), text($3)
        if (word[$1] == "broken" || word[$1] == "unread") printf ",\"expected\":%s,\"todo\":%s", text($4), text($5)
        printf "}"
      }
      END { printf "],\"kept\":%d,\"broken\":%d,\"unread\":%d}\n", count["kept"], count["broken"], count["unread"] }
    ' "$work/report"
  else
    printf '\n%d kept, %d broken, %d unread\n' "$kept" "$broken" "$unread"
  fi
  if [ "$broken" -gt 0 ]; then return 1; fi
  [ "$unread" -eq 0 ] || [ "$partial" = yes ]
}
