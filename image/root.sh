#!/bin/sh
# Lays out the root of kinglet's image: image/root.sh BINARY DIRECTORY
#
# The Dockerfile's last stage is this and nothing else, and tests/image runs the server in it. The binary links glibc, whose
# resolver reads /etc/nsswitch.conf, and whose parts for files and DNS are in libc.so.6 itself since version 2.34. The
# certificates of public authorities are in the binary. There is no shell and nothing to write to.
set -eu
binary=$1
root=$2

mkdir -p "$root/etc"
cp "$binary" "$root/kinglet"
chmod 0555 "$root/kinglet"
# Each library at the path at which the loader looks for it, and the loader, on any architecture.
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
    cp --parents --dereference "$library" "$root"
done
# Names of the container's hosts file first: there containers and tests name their neighbours.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
