#!/bin/sh
# Debian's own systemd as the first process of namespaces (systemd.test.ts), with the units of $LAB_DIRECTORY and no others: of the machine
# it can change nothing, for its file system is read-only there. Started twice: first as `systemd-init.sh outside`, which makes a control group for it.
#   outside: PID 1 of no namespace but mount; inside: of all
set -eu
if [ "$1" = outside ]; then
  mount --make-rprivate /
  # systemd takes the root of its control groups for its own, and this hierarchy has no controllers: nothing is limited by it.
  hierarchy=$LAB_DIRECTORY/cgroup
  mkdir "$hierarchy"
  mount -t cgroup -o none,name=systemd cgroup "$hierarchy"
  own=$hierarchy/causeway-lab-$$
  mkdir "$own"
  echo $$ >"$own/cgroup.procs"
  unshare --pid --mount --uts --ipc --cgroup --fork --kill-child --mount-proc sh "$0" inside || true
  echo $$ >"$hierarchy/cgroup.procs"
  find "$own" -depth -type d -exec rmdir {} \;
  exit 0
fi

directory() { mount -t tmpfs -o "mode=$1" tmpfs "$2"; }
for place in /run /opt /srv /var/lib /var/log /etc/systemd/system /usr/lib/systemd/system; do directory 755 $place; done
mkdir /run/lab /opt/causeway
mount --bind "$LAB_DIRECTORY" /run/lab
mount --bind "$LAB_PROJECT" /opt/causeway
directory 1777 /tmp
directory 1777 /var/tmp
umount -l /sys/fs/cgroup
directory 755 /sys/fs/cgroup
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd

for file in passwd group; do
  { cat /etc/$file; cat /run/lab/$file; } >/run/lab-$file
  mount --bind /run/lab-$file /etc/$file
done
mount --bind /run/lab/console /dev/console
install -d -o causeway -m 1777 /srv/tree
cp -r /run/lab/units/. /etc/systemd/system/

mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -o remount,bind,ro /
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /usr/lib/systemd/systemd --system --unit=lab.target --log-target=console --show-status=no
