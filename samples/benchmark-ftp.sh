#!/usr/bin/env bash
# What files cost by FTP with proto and with the tools that one would use instead, from the same vsftpd, in one run.
# Needs root, and the Debian packages vsftpd, hyperfine, curl, lftp and wget.
#
#   cargo build --release && samples/benchmark-ftp.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
proto=$here/../target/release/proto
work=$(mktemp -d /dev/shm/proto-benchmark.XXXXXX)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
PATH=$PATH:/usr/sbin
chmod 755 "$work"

mkdir -p "$work/site/many" "$work/site/in" "$work/empty" "$work/here"
head -c 1G /dev/urandom >"$work/site/large"
for ((number = 1; number <= 2000; number++)); do
    mkdir -p "$work/site/many/$((number % 20))"
    head -c 4096 /dev/urandom >"$work/site/many/$((number % 20))/$number"
done
chown -R ftp:nogroup "$work/site/in"
cat >"$work/vsftpd.conf" <<CONF
listen=YES
listen_address=127.0.0.1
listen_port=18021
background=NO
secure_chroot_dir=$work/empty
anonymous_enable=YES
anon_root=$work/site
no_anon_password=YES
write_enable=YES
anon_upload_enable=YES
anon_other_write_enable=YES
anon_umask=022
connect_from_port_20=NO
max_clients=0
seccomp_sandbox=NO
CONF
vsftpd "$work/vsftpd.conf" &
server=$!
sleep 1

# compare TITLE RUNS COMMAND... : the first is ours. They run by turns, so that whatever else the machine does meets all
# of them.
compare() {
    local title=$1 runs=$2
    shift 2
    rm -f "$work"/result.*.json
    for ((run = 0; run <= runs; run++)); do
        hyperfine -N --runs 1 --prepare "sh -c 'rm -rf $work/here $work/site/in/up; mkdir -p $work/here'" \
            --export-json "$work/result.$run.json" "$@" >/dev/null 2>&1
    done
    # The first was to warm up.
    rm "$work/result.0.json"
    python3 - "$title" "$work"/result.*.json <<'PY'
import json, statistics, sys
runs = [json.load(open(path))["results"] for path in sys.argv[2:]]
medians = [statistics.median(result["median"] for result in results) for results in zip(*runs)]
names = [result["command"].split()[0].split("/")[-1] for result in runs[0]]
cells = [f"{name} {median / medians[0]:.2f}" for name, median in zip(names[1:], medians[1:])]
print(f"| {sys.argv[1]} | {medians[0] * 1000:.1f} ms | {', '.join(cells)} |")
PY
}

url=ftp://127.0.0.1:18021
quiet='set cmd:interactive no; set ftp:ssl-allow no'
echo '| job | proto | times as long |'
echo '|---|---|---|'
compare '1 GiB to a file' 5 \
    "$proto ftp-get $url/large -o $work/here/a" \
    "curl -s $url/large -o $work/here/b" \
    "lftp -c '$quiet; get $url/large -o $work/here/c'"
compare '1 GiB from a file' 5 \
    "$proto ftp-put --direct --force $work/site/large $url/in/up" \
    "curl -s -T $work/site/large $url/in/up" \
    "lftp -c '$quiet; put $work/site/large -o $url/in/up'"
compare 'a tree of 2,000 files of 4 KiB, one connection' 15 \
    "$proto ftp-mirror $url/many $work/here/a" \
    "lftp -c '$quiet; mirror $url/many $work/here/b'" \
    "wget -q -r -nH -P $work/here/c $url/many"
compare 'the same, four connections' 15 \
    "$proto ftp-mirror -j 4 $url/many $work/here/a" \
    "lftp -c '$quiet; mirror --parallel=4 $url/many $work/here/b'"
