#!/bin/sh
# The init process of a lab's own mount, network and PID namespaces. It lives as long as its standard input
# is open, that is, as long as the lab's owner: when the owner ends, however it ends, the kernel takes every
# process, mount and network device of the lab away with this process.
#
# usage: unshare --mount --net --pid --ipc --fork --mount-proc sh enclosure.sh ID FOLDER
set -eu
id=$1 folder=$2
group=/sys/fs/cgroup/certs-lab-$id

# Held for as long as this process lives: nobody takes the folder for a leftover.
exec 9<"$folder"
flock 9

mount -t tmpfs -o mode=755 certs-lab /run
# cgroup v2 for the hosts, also where the machine itself still runs v1.
[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 none /sys/fs/cgroup
mkdir "$group"
ip link set lo up
ip link add lab type bridge
ip link set lab up
echo ready

cat >/dev/null

ip link del uplink 2>/dev/null || true
echo 1 >"$group/cgroup.kill"
while grep -q '^populated 1' "$group/cgroup.events"; do sleep 0.01; done
find "$group" -depth -type d -exec rmdir {} \;
rm -rf -- "$folder"
