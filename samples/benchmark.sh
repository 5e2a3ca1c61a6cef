#!/usr/bin/env bash
# What proto costs against the tools that one would use instead, on the same server, in one run.
# Needs nginx, hyperfine, curl, wget, wget2, postfix (for smtp-sink and smtp-source), msmtp and swaks (Debian packages of
# these names), and 4 GiB of /dev/shm.
#
#   cargo build --release && samples/benchmark.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
proto=$here/../target/release/proto
authority=$here/certificates/authority.crt
work=$(mktemp -d /dev/shm/proto-benchmark.XXXXXX)
trap 'kill "$(cat "$work/pid" 2>/dev/null)" $sink 2>/dev/null || true; rm -rf "$work"' EXIT
sink=
PATH=$PATH:/usr/sbin
cd "$work"

mkdir -p root/many tmp
head -c 1G /dev/urandom >root/1g
head -c 512M root/1g >root/512m
head -c 1K root/1g >root/1k
for number in {0001..5000}; do
    cp root/1k "root/many/$number"
    echo "http://127.0.0.1:18080/many/$number" >>list
    printf 'url = "http://127.0.0.1:18080/many/%s"\noutput = "out/%s"\n' "$number" "$number" >>curl.list
done
cat >nginx.conf <<CONF
pid $work/pid; worker_processes 2; user root root;
events { worker_connections 512; }
http {
    access_log off; error_log /dev/null; sendfile on; keepalive_requests 100000;
    client_body_temp_path tmp/b; proxy_temp_path tmp/p; fastcgi_temp_path tmp/f; uwsgi_temp_path tmp/u; scgi_temp_path tmp/s;
    ssl_certificate $here/certificates/localhost.crt; ssl_certificate_key $here/certificates/localhost.key;
    server { listen 127.0.0.1:18080; listen 127.0.0.1:18443 ssl; root $work/root; }
}
CONF
nginx -p "$work" -c "$work/nginx.conf" -e /dev/null

http=http://127.0.0.1:18080 https=https://localhost:18443

# compare TITLE RUNS COMMAND... : the first is ours
compare() {
    local title=$1 runs=$2
    shift 2
    hyperfine -N --warmup 2 --runs "$runs" --prepare 'rm -rf file out' --export-json result.json "$@" >/dev/null 2>&1
    python3 - "$title" <<'PY'
import json, sys
results = json.load(open("result.json"))["results"]
ours = results[0]["median"]
cells = [f"{r['command'].split()[0].split('/')[-1]} {r['median'] / ours:.2f}" for r in results[1:]]
print(f"| {sys.argv[1]} | {ours * 1000:.1f} ms | {', '.join(cells)} |")
PY
}

echo '| job | proto | times as long |'
echo '|---|---|---|'
compare 'one 1 KiB file, the whole process' 200 \
    "$proto http-get $http/1k -o /dev/null" "wget -q $http/1k -O /dev/null" "curl -s $http/1k -o /dev/null" /bin/true
compare 'the same over https' 100 \
    "$proto http-get $https/1k -o /dev/null --ca $authority" "curl -s $https/1k -o /dev/null --cacert $authority" \
    "wget -q $https/1k -O /dev/null --ca-certificate=$authority"
compare '1 GiB to a file on tmpfs' 7 \
    "$proto http-get $http/1g -o file" "curl -s $http/1g -o file" "wget2 -q $http/1g -O file"
compare '512 MiB over https to a file' 7 \
    "$proto http-get $https/512m -o file --ca $authority" "curl -s $https/512m -o file --cacert $authority"
compare '5,000 files of 1 KiB, one connection' 7 \
    "$proto http-get -i list --output-dir out -q" "wget2 -q --max-threads=1 -i list -P out" \
    "curl -s --create-dirs -K curl.list"
compare '5,000 files of 1 KiB, 50 connections' 7 \
    "$proto http-get -i list --output-dir out -q -j 50" "curl -s --create-dirs -Z --parallel-max 50 -K curl.list" \
    "wget2 -q --max-threads=50 -i list -P out"

# --- mail ---

mkdir -p mail/{cur,new,tmp}
text=$(printf 'A line of seventy-two characters, as many as a line of a mail should have.\n%.0s' {1..50})
for number in {0001..5000}; do
    printf 'From: <a@example.org>\nTo: <b@example.org>\nMessage-ID: <%s@example.org>\nSubject: %s\n\n%s\n' \
        "$number" "$number" "$text" >"mail/new/$number"
done
cp mail/new/0001 one.eml
recipients=$(printf 'r%s@example.org ' {1..1000})
list=${recipients// /,}
printf '#!/bin/sh\nexec msmtp --host=127.0.0.1 --port=18025 --from=a@example.org %s <one.eml\n' "$recipients" >msmtp
chmod +x msmtp
smtp-sink -u nobody 127.0.0.1:18025 1000 &
sink=$!
sleep 0.5

server=127.0.0.1:18025
send="$proto smtp-send $server --from a@example.org"
compare '5,000 messages of 4 KiB, one connection' 7 \
    "$send --to b@example.org --message mail" "smtp-source -s 1 -m 5000 -l 4096 -f a@example.org -t b@example.org $server"
compare '5,000 messages of 4 KiB, 4 connections' 7 \
    "$send --to b@example.org --message mail -j 4" "smtp-source -s 4 -m 5000 -l 4096 -f a@example.org -t b@example.org $server"
compare 'one message to 1,000 recipients' 20 \
    "$send --to ${list%,} --message one.eml" "./msmtp" \
    "swaks --pipeline --server $server --from a@example.org --to ${list%,} --data @one.eml" \
    "smtp-source -s 1 -m 1 -r 1000 -l 4096 -f a@example.org -t b@example.org $server"
