# Questions to AWS, several at a time; the answers stand in files under $work until they are judged.
# shellcheck shell=bash disable=SC2154,SC2034 # verify.sh sets and uses what is not of this file

asked=0

# ask KEY SERVICE OPERATION [ARGUMENT]...   asks in the background; `--query` says what of the answer is wanted.
ask() {
  local key=$1
  shift
  (
    if ! aws --region "$region" --output text --cli-connect-timeout 10 --cli-read-timeout 30 "$@" \
      >"$work/$key.out" 2>"$work/$key.err" </dev/null; then
      : >"$work/$key.failed"
    fi
  ) &
  asked=$((asked + 1))
  # A client of its own for each question: more of them at once only wait for the processor.
  [ $((asked % 8)) -ne 0 ] || wait
}

# said KEY   the whole answer; nothing when there is none.
said() {
  [ ! -e "$work/$1.out" ] || cat "$work/$1.out"
}

# answered KEY   whether there is an answer, and AWS did not refuse.
answered() {
  [ -e "$work/$1.out" ] && [ ! -e "$work/$1.failed" ]
}

# column KEY N   the N-th field of the answer's first line. AWS writes None for what is absent.
column() {
  said "$1" | head -n 1 | cut -f "$2"
}

# row KEY NAME   of lines that begin with a name: the rest of the one with this name.
row() {
  said "$1" | awk -F '\t' -v name="$2" '$1 == name { sub(/^[^\t]*\t/, ""); print; exit }'
}

# why KEY   in one line, what AWS said when it refused.
why() {
  tr '\n' ' ' <"$work/$1.err" | sed -e 's/^ *//' -e 's/An error occurred //' -e 's/  */ /g' -e 's/ *$//' | cut -c 1-300
}
