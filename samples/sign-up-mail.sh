#!/usr/bin/env bash
# A test of a program that sends mail: whoever signs up gets a code. Needs nothing but proto.
#
#   cargo build && samples/sign-up-mail.sh [PROTO]
set -euo pipefail
proto=${1:-$(dirname "$0")/../target/debug/proto}
work=$(mktemp -d)
# The server prints its addresses when all of them are ready; until then, nobody needs to sleep.
exec {ready}< <(exec "$proto" mock mail --quiet --ports-file "$work/ports.json")
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
read -r -u "$ready" _
port() { grep -o "\"$1\":[0-9]*" "$work/ports.json" | cut -d: -f2; }

# What is under test: it sends a mail with a code to whoever signs up, some time. Yours is elsewhere.
sign_up() {
    sleep 0.2
    "$proto" smtp-send "localhost:$(port smtp)" --from shop@example.org --to "$1" \
        --subject 'Your code' --text 'Your code is 4711.' >/dev/null
}

# Everybody may log in with any password.
export PROTO_PASSWORD=any
inbox=imap://ann@localhost:$(port imap)/INBOX
sign_up ann@example.org &
found=$("$proto" imap-watch "$inbox" --until 'subject:code' --deadline 30s --json --quiet)
uid=$(grep '"event":"match"' <<<"$found" | grep -o '"uid":[0-9]*' | cut -d: -f2)
text=$("$proto" imap-fetch "$inbox" "$uid" --text --quiet)
echo "$text"
[[ $text == 'Your code is 4711.'* ]]
