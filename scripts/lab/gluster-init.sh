#!/bin/bash
# First process of a process, mount and network namespace (gluster.ts): a GlusterFS volume of two sets of three replicas and three clients of it,
# then $LAB_COMMAND. Everything ends with this process, and what it mounts and mounts over is seen by nobody else.
die() { # whatever does not come up ends the run: a lab that half works proves nothing
  printf 'lab: %s\n' "$*" >&2
  exit 98
}
must() { "$@" || die "failed: $*"; }
until_it_is() { for try in {1..100}; do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; die "not within 10 seconds: $*"; }

must mount --make-rprivate /
must mount -t tmpfs -o mode=755 tmpfs /run
must ip link set lo up
# The only way out is a loopback; glusterd takes none of its addresses for a brick but one that does not look like it.
must ip addr add 10.7.0.1/32 dev lo
logs=$LAB_OUT/glusterfs
mkdir -p /run/gluster /run/state "$logs" /var/lib/glusterd /var/log/glusterfs
must mount --bind /run/state /var/lib/glusterd
must mount --bind "$logs" /var/log/glusterfs

# --- The servers: bricks need attributes in trusted., which XFS has.
mkdir -p "$LAB_BACKING"
must mount -o loop "$LAB_DISK_IMAGE" "$LAB_BACKING"
glusterd -N -l "$logs/glusterd.log" &
volume() { gluster --mode=script volume "$@" >/dev/null; }
until_it_is volume info
must volume create files replica 3 "10.7.0.1:$LAB_BACKING/brick"{1..6} force
if [ "${LAB_DEFAULTS:-0}" != 1 ]; then
  # Each of these remembers, in the client, what another client has changed since (README.md says what that did).
  for cache in open-behind quick-read io-cache read-ahead readdir-ahead stat-prefetch write-behind; do
    must volume set files "performance.$cache" off
  done
fi
must volume start files

# --- The machines: a client is a process of its own, with its own caches. client DIRECTORY OPTIONS
client() {
  mkdir -p "$1"
  # shellcheck disable=SC2086 # words on purpose
  glusterfs -N $2 --volfile-server=10.7.0.1 --volfile-id=files --log-file="$logs/${1##*/}.log" "$1" &
  until_it_is mountpoint -q "$1"
}
# Of the kernel: names and attributes are asked for anew each time, and so is the caller's list of groups, which the client keeps by thread.
fresh='--attribute-timeout=0 --entry-timeout=0 --gid-timeout=0'
[ "${LAB_DEFAULTS:-0}" != 1 ] || fresh=
client "$LAB_GATEWAY_1" "$fresh"
client "$LAB_GATEWAY_2" "$fresh"
client "$LAB_USER" ''
[ "$(grep -c ' fuse.glusterfs ' /proc/self/mounts)" = 3 ] || die 'not three mounts'

cd "$LAB_DIRECTORY" || die "there is no $LAB_DIRECTORY"
bash -c "$LAB_COMMAND" </dev/null
