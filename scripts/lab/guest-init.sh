#!/bin/bash
# PID 1 of the guest (user-mode Linux). guest.ts boots it on the host's own file tree, read-only under an overlay in memory, with the data
# disk (ubda) and an empty one for /tmp (ubdb), and hands over by boot arguments, which arrive as environment:
#   lab_dir     this directory        lab_out   a directory of the host that both sides write
# In $lab_out lie environment.sh (what the host wants to say) and command.sh (what to run); `ready` and `exit-code` are written here.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
modules=/usr/lib/uml/modules/$(uname -r)

if [ "${stage:-1}" = 1 ]; then
  mount -t tmpfs tmpfs /mnt
  mkdir -p /mnt/{upper,work,root}
  insmod "$modules/kernel/fs/overlayfs/overlay.ko"
  mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
  cd /mnt/root || exit
  mount -t proc proc proc
  mount -t sysfs sys sys
  mount -t devtmpfs dev dev
  mkdir -p dev/pts dev/shm lib/modules var/lib/nfs # missing on a minimal host
  for memory in tmp run var/lib/nfs lib/modules mnt dev/shm; do mount -t tmpfs -o mode=1777 tmpfs "$memory"; done
  mount -t devpts devpts dev/pts
  mkdir -p mnt/out mnt/lab
  mount -t hostfs none -o "$lab_out" mnt/out
  mount -t hostfs none -o "$lab_dir" mnt/lab
  stage=2 exec chroot . /bin/bash /mnt/lab/guest-init.sh
fi

die() { # whatever does not come up ends the run: a lab that half works proves nothing
  printf 'lab: %s\n' "$*" >&2
  echo 98 >/mnt/out/exit-code
  sync
  /bin/busybox poweroff -f
}
must() { "$@" || die "failed: $*"; }

. /mnt/out/environment.sh
must mount -t xfs /dev/ubdb /tmp # this kernel's tmpfs has no attributes in user.
chmod 1777 /tmp
export HOME=/root TMPDIR=/tmp LANG=C.UTF-8
unset stage TERM
cd / || exit
ln -s "$modules" /lib/modules/
ln -s /proc/self/fd /dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${stream%:*}" "/dev/${stream#*:}"; done
ip link set lo up
hostname lab

# XFS with `pnfs` negotiates the block layout wherever the client can load its driver; flexible files are what is wanted.
mkdir -p /run/modprobe.d
echo 'install blocklayoutdriver /bin/false' >/run/modprobe.d/lab.conf
for module in nfsd nfsv3 nfsv4 nfs_layout_flexfiles veth act_nat cls_u32 sch_ingress; do must modprobe "$module"; done

# --- The server: knfsd over the data disk. It is metadata server and data server in one.
mkdir -p /var/lib/nfs/{rpc_pipefs,sm,sm.bak,nfsdcld,v4recovery} /run/rpcbind "$LAB_BACKING"
touch /var/lib/nfs/{etab,rmtab}
must mount -t rpc_pipefs rpc_pipefs /var/lib/nfs/rpc_pipefs
must mount -t nfsd nfsd /proc/fs/nfsd
must mount -t "${LAB_DISK:-xfs}" /dev/ubda "$LAB_BACKING"
chmod 1777 "$LAB_BACKING"
# Two addresses of one export. Calls to the metadata server come from 10.8.N.2 and count as who they say they are. Calls to the data server
# come from 10.9.N.2 under the made-up users that knfsd puts into a layout (for reading: the file's owner + 1), and a data server of knfsd
# checks the file's mode again: a file of mode 0600 could never be read, and its reader would ask for layouts for ever. A data server
# leaves that to the metadata server, so this one is told to.
export_options=rw,${LAB_EXPORT:-sync},fsid=0,no_subtree_check,insecure
echo "$LAB_BACKING 10.8.0.0/16($export_options,pnfs,no_root_squash) 10.9.0.0/16($export_options,all_squash,anonuid=0,anongid=0)" >/etc/exports
# Debian has the server look groups up by uid in its own user database, which knows nobody of the tests: the caller's groups count here.
printf '[mountd]\nmanage-gids=n\n' >/etc/nfs.conf
must rpcbind -w # the data server speaks NFSv3
must nfsdcld -s /var/lib/nfs/nfsdcld -p /var/lib/nfs/rpc_pipefs
echo 10 >/proc/fs/nfsd/nfsv4leasetime # before the grace time; less than 10 is refused
echo 10 >/proc/fs/nfsd/nfsv4gracetime
# knfsd's LOCK waits for the end of lockd's grace period too, 50 s unless told otherwise: now 3 s, the least that there is.
echo 3 >/proc/sys/fs/nfs/nlm_timeout
echo 3 >/proc/sys/fs/nfs/nlm_grace_period
# knfsd hands a client a delegation on a file that this client has open for writing, and then takes its writes at the data server for
# somebody else's: they wait five seconds for the delegation to be recalled. That is of this server alone; LAB_DELEGATIONS=1 leaves it so.
[ "${LAB_DELEGATIONS:-0}" = 1 ] || echo 0 >/proc/sys/fs/leases-enable
must exportfs -ra
must rpc.mountd --no-udp 2>/dev/null
must rpc.nfsd --no-udp -V 4.2 8

# --- The machines: a network namespace and a host name each. Every mount is seen by every process and goes through its own machine.
# machine NAME N DIRECTORY OPTIONS: 10.8.N.2 and 10.9.N.2, linked to the server by its interface labN. The server is 10.9.N.1, which is also
# what it says in a layout; the mount asks for 10.8.N.1, which is translated, so that its calls come from the other address.
machine() {
  ip netns add "$1"
  must ip link add "lab$2" type veth peer name e0 netns "$1"
  ip addr add "10.9.$2.1/24" dev "lab$2"
  ip link set "lab$2" up
  ip -n "$1" addr add "10.9.$2.2/24" dev e0
  ip -n "$1" addr add "10.8.$2.2/32" dev e0
  ip -n "$1" link set e0 up
  ip -n "$1" link set lo up
  ip route add "10.8.$2.2/32" dev "lab$2"
  ip -n "$1" route add "10.8.$2.1/32" via "10.9.$2.1" src "10.8.$2.2"
  must tc qdisc add dev "lab$2" clsact
  must tc filter add dev "lab$2" ingress protocol ip u32 match ip dst "10.8.$2.1/32" action nat ingress "10.8.$2.1/32" "10.9.$2.1"
  must tc filter add dev "lab$2" egress protocol ip u32 match ip dst "10.8.$2.2/32" action nat egress "10.9.$2.1/32" "10.8.$2.1"
  mkdir -p "$3"
  # The host name is part of the NFS client's identity.
  must nsenter --net="/run/netns/$1" unshare --uts sh -c "hostname $1; mount -t nfs -o vers=4.2$4 10.8.$2.1:/ $3"
}
machine gateway1 1 "$LAB_GATEWAY_1" ,lookupcache=none
machine gateway2 2 "$LAB_GATEWAY_2" ,lookupcache=none
machine user 3 "$LAB_USER" ''
[ "$(grep -c 'pnfs=LAYOUT_FLEX_FILES' /proc/self/mountstats)" = 3 ] || die 'no flexible-file layouts on the mounts'
# Until the grace period is over a lock is asked for again and again inside the kernel, after ever longer pauses.
(for try in {1..100}; do timeout -s KILL 0.4 flock "$LAB_GATEWAY_1/.grace" true && exit; done; exit 1) 2>/dev/null || die 'no lock is to be had'
rm "$LAB_GATEWAY_1/.grace"

cut -d' ' -f1 /proc/uptime >/mnt/out/ready
cd "$LAB_DIRECTORY" || die "the guest does not see $LAB_DIRECTORY"
# The console is a terminal, on which programs draw; a pipe is not. Whatever the command leaves behind may hold it open: nobody waits for it.
bash /mnt/out/command.sh </dev/null > >(exec cat) 2>&1
code=$?
sleep 0.2
cd /
umount -fl "$LAB_GATEWAY_1" "$LAB_GATEWAY_2" "$LAB_USER"
echo "$code" >/mnt/out/exit-code
sync
/bin/busybox poweroff -f
