#!/usr/bin/env bash
# What fetching mail costs with proto and with the tools that one would use instead, from the same Dovecot, in one run.
# Needs root, and the Debian packages dovecot-imapd, dovecot-pop3d, hyperfine, curl, mpop and isync.
#
#   cargo build --release && samples/benchmark-mail.sh [FOLDER]
#
# FOLDER is where mail is stored: on /dev/shm if nothing is said; name one on a disk to measure the disk.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
proto=$here/../target/release/proto
work=$(mktemp -d /dev/shm/proto-benchmark.XXXXXX)
place=$(mktemp -d "${1:-/dev/shm}/proto-benchmark.XXXXXX")
trap 'doveadm -c "$work/dovecot.conf" stop 2>/dev/null || true; rm -rf "$work" "$place"' EXIT
PATH=$PATH:/usr/sbin
chmod 755 "$work"

cat >"$work/dovecot.conf" <<CONF
base_dir = $work/run
state_dir = $work/state
log_path = $work/log
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
first_valid_uid = 1
mail_max_userip_connections = 0
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=$work/mail/%u
}
service imap-login {
  inet_listener imap {
    port = 18143
  }
}
service pop3-login {
  inet_listener pop3 {
    port = 18110
  }
}
CONF

# fill USER COUNT LINES: messages of so many lines of 76 bytes
fill() {
    local folder=$work/mail/$1/Maildir text number
    mkdir -p "$folder"/{cur,new,tmp}
    text=$(yes 'A line of seventy-two characters, as many as a line of a mail should have.' | head -n "$3" || true)
    for ((number = 1; number <= $2; number++)); do
        printf 'From: <a@example.org>\nTo: <b@example.org>\nMessage-ID: <%s@example.org>\nSubject: %s\n\n%s\n' \
            "$number" "$number" "$text" >"$folder/cur/$number.M1.here:2,S"
    done
}
fill many 5000 50
fill one 1 1400000
chown -R nobody:nogroup "$work/mail"
dovecot -c "$work/dovecot.conf"
echo secret >"$work/password"
chmod 600 "$work/password"

cat >"$work/mpoprc" <<CONF
account many
host 127.0.0.1
port 18110
user many
passwordeval cat $work/password
tls off
auth user
keep on
received_header off
delivery maildir $place/x/peer
uidls_file $place/x/uidls
CONF
chmod 600 "$work/mpoprc"
for user in many one; do
    cat >>"$work/mbsyncrc" <<CONF
IMAPAccount $user
Host 127.0.0.1
Port 18143
User $user
Pass secret
SSLType None
AuthMechs LOGIN

IMAPStore far-$user
Account $user

MaildirStore near-$user
Path $place/x/peer/
Inbox $place/x/peer/INBOX

Channel $user
Far :far-$user:
Near :near-$user:
Patterns INBOX
Create Near
Sync Pull
SyncState $place/x/state

CONF
done

# Each run has a folder of its own: ext4 is slow for a while where files were deleted.
cat >"$work/fresh" <<'SH'
#!/bin/sh
[ -d "$1/x" ] && mv "$1/x" "$1/old.$$"
mkdir -p "$1/x/peer/cur" "$1/x/peer/new" "$1/x/peer/tmp"
sync
SH
chmod +x "$work/fresh"

# compare TITLE RUNS COMMAND... : the first is ours
compare() {
    local title=$1 runs=$2
    shift 2
    hyperfine -N --warmup 1 --runs "$runs" --prepare "$work/fresh $place" --export-json "$work/result.json" "$@" >/dev/null 2>&1
    python3 - "$title" "$work/result.json" <<'PY'
import json, sys
results = json.load(open(sys.argv[2]))["results"]
ours = results[0]["median"]
cells = [f"{r['command'].split()[0].split('/')[-1]} {r['median'] / ours:.2f}" for r in results[1:]]
print(f"| {sys.argv[1]} | {ours * 1000:.1f} ms | {', '.join(cells)} |")
PY
}

login="--password-file $work/password --plain"
stored="--maildir $place/x/ours --state $place/x/ours.state"
echo '| job | proto | times as long |'
echo '|---|---|---|'
compare 'POP3: 5,000 messages of 4 KiB into a Maildir' 9 \
    "$proto pop3-fetch pop3://many@127.0.0.1:18110 --auth USER $login $stored" "mpop -q -C $work/mpoprc many"
compare 'POP3: one message of 100 MiB' 5 \
    "$proto pop3-fetch pop3://one@127.0.0.1:18110/1 --auth USER $login --eml-dir $place/x/ours" \
    "curl -s pop3://one:secret@127.0.0.1:18110/1 -o $place/x/curl.eml"
compare 'IMAP: 5,000 messages of 4 KiB into a Maildir' 9 \
    "$proto imap-fetch imap://many@127.0.0.1:18143/INBOX --auth LOGIN $login $stored" "mbsync -q -c $work/mbsyncrc many"
compare 'IMAP: one message of 100 MiB' 5 \
    "$proto imap-fetch imap://one@127.0.0.1:18143/INBOX 1 --auth LOGIN $login --eml-dir $place/x/ours" \
    "curl -s imap://one:secret@127.0.0.1:18143/INBOX;UID=1 -o $place/x/curl.eml" \
    "mbsync -q -c $work/mbsyncrc one"
