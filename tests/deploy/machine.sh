#!/bin/sh
# The first process of the throw-away machine, in private namespaces. It makes its root of an overlay of LOWER, and
# becomes systemd there. Changes live in a tmpfs and vanish with the last process. The network remains the host's.
#
#   machine.sh PLACE PROJECT LOWER      PLACE is an empty directory; PROJECT becomes /srv/libwxtoken; LOWER is / or another root
set -eu
place=$1 project=$2 lower=$3

mount -t tmpfs -o mode=755 tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/project" "$place/project.work" "$place/root"
mount -t overlay -o "lowerdir=$lower,upperdir=$place/upper,workdir=$place/work" overlay "$place/root"
root=$place/root

mkdir -p "$root/srv/libwxtoken"
mount -t overlay -o "lowerdir=$project,upperdir=$place/project,workdir=$place/project.work" overlay "$root/srv/libwxtoken"
chmod 755 "$root/srv" "$root/srv/libwxtoken"

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

# A machine that runs only systemd and its journal.
rm -rf "$root"/etc/systemd/system/*.wants
find "$root"/lib/systemd/system/*.wants -type l ! -name 'systemd-journald*' ! -name systemd-tmpfiles-setup.service \
  ! -name dbus.socket -delete
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' > "$root/etc/systemd/journald.conf.d/test.conf"
: > "$root/etc/machine-id"
# No platform's name resolves to an outside address.
echo "127.0.0.1 api.weixin.qq.com api2.weixin.qq.com qyapi.weixin.qq.com" >> "$root/etc/hosts"

cd "$root"
mkdir -p old
pivot_root . old
umount -l /old
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=wxtoken-test \
  /lib/systemd/systemd --system --unit=multi-user.target --log-target=journal --show-status=0
