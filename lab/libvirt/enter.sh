#!/bin/sh
# Runs a command where libvirt's directories are folders of the lab's, in a mount and UTS namespace of its own (unshare
# --mount --uts). What the command makes there can be seen from outside, below FOLDER; what the machine has is hidden.
#   enter.sh FOLDER HOSTNAME RESCTRL HELPERS COMMAND...      '-' for no RESCTRL, no HELPERS
set -eu
folder=$1 hostname=$2 resctrl=$3 helpers=$4
shift 4
hostname "$hostname"
mount -t tmpfs cachemon-lab "$folder/over"

# An empty directory that may not exist, without making it on the machine: an overlay on the nearest that does.
room() {
  [ ! -d "$1" ] || return 0
  parent=$(dirname "$1")
  room "$parent"
  layer=$folder/over/$(echo "$parent" | tr / _)
  mkdir "$layer" "$layer/upper" "$layer/work"
  mount -t overlay -o "lowerdir=$parent,upperdir=$layer/upper,workdir=$layer/work" cachemon-lab "$parent"
  mkdir "$1"
}

put() {
  room "$2"
  mount --bind "$1" "$2"
}

mount -t tmpfs cachemon-lab /run # no D-Bus: nothing is registered with the machine's systemd
mkdir /run/libvirt /run/cachemon /run/user
mkdir -m 700 /run/user/0 # of root, as logind makes it
put "$folder/run" /run/libvirt
put "$folder/cachemon" /run/cachemon
put "$folder/etc" /etc/libvirt
put "$folder/units" /etc/systemd/system
for name in lib cache log; do put "$folder/$name" "/var/$name/libvirt"; done
for name in passwd group; do mount --bind "$folder/$name" "/etc/$name"; done
[ "$helpers" = - ] || put "$helpers" /usr/lib/libvirt
if [ "$resctrl" != - ]; then
  if [ ! -d /sys/fs/resctrl ]; then # sysfs lets nobody make a directory
    mkdir "$folder/over/sys-fs"
    for name in /sys/fs/*; do
      mkdir "$folder/over/sys-fs/${name##*/}"
      mount --rbind "$name" "$folder/over/sys-fs/${name##*/}"
    done
    mkdir "$folder/over/sys-fs/resctrl"
    mount --rbind "$folder/over/sys-fs" /sys/fs
  fi
  mount --bind "$resctrl" /sys/fs/resctrl
fi
exec "$@"
