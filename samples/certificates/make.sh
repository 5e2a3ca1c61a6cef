#!/bin/sh
# Makes the test authority and the certificates that it signs, all on P-256 keys (PKCS#8 PEM):
#
#   authority    signs the others; trust it in tests and nowhere else
#   localhost    the server that everything should accept: localhost, 127.0.0.1 and ::1
#   wrong        a server of another name: other.example
#   expired      localhost, until 2021
#   selfsigned   localhost, vouched for by nobody
#   client       a person, for mutual TLS
#
# The keys are public, so nothing here protects anything. Needs openssl; run it only to change what
# is made: every run makes new keys.
set -eu
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

NEAR="DNS:localhost,IP:127.0.0.1,IP:::1"
BEGIN=20200101000000Z
END=20491231235959Z

cat >"$scratch/openssl.cnf" <<CONFIGURATION
[req]
distinguished_name = name
[name]
[ca]
default_ca = authority
[authority]
database = $scratch/index
rand_serial = yes
new_certs_dir = $scratch
default_md = sha256
policy = names
unique_subject = no
[names]
commonName = supplied
[authority_extensions]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf_extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
subjectAltName = \${ENV::NAMES}
extendedKeyUsage = \${ENV::USAGE}
CONFIGURATION
: >"$scratch/index"
# The configuration names these even where they are not used.
export NAMES="$NEAR" USAGE=serverAuth

# request FILE COMMON-NAME: a new key and a request to certify it
request() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
    openssl req -new -config "$scratch/openssl.cnf" -key "$1.key" -subj "/CN=$2" -out "$scratch/$1.csr"
}

# sign FILE EXTENSIONS BEGIN END SIGNER...: `openssl ca` rather than `openssl x509`, because only it
# can date a certificate back
sign() {
    file=$1 extensions=$2 begin=$3 end=$4
    shift 4
    openssl ca -batch -notext -config "$scratch/openssl.cnf" -extensions "$extensions" \
        -startdate "$begin" -enddate "$end" -in "$scratch/$file.csr" -out "$file.crt" "$@"
}

# leaf FILE COMMON-NAME NAMES USAGE END
leaf() {
    request "$1" "$2"
    NAMES=$3 USAGE=$4 sign "$1" leaf_extensions "$BEGIN" "$5" -cert authority.crt -keyfile authority.key
}

make_all() {
    request authority "proto test authority"
    sign authority authority_extensions "$BEGIN" "$END" -selfsign -keyfile authority.key
    leaf localhost localhost "$NEAR" serverAuth "$END"
    leaf wrong other.example "DNS:other.example" serverAuth "$END"
    leaf expired localhost "$NEAR" serverAuth 20210101000000Z
    leaf client fred "email:fred@example.org" clientAuth "$END"
    request selfsigned localhost
    sign selfsigned leaf_extensions "$BEGIN" "$END" -selfsign -keyfile selfsigned.key
}

make_all >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
chmod 644 ./*.crt ./*.key
