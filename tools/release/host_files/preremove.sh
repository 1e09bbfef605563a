#!/bin/sh
# Before a removal, not before an upgrade: the next version's agent adopts the mon_groups.
set -e
find /usr/lib/cachemon -name __pycache__ -exec rm -r {} +
case "${1:-}" in
upgrade | 1) exit 0 ;; # dpkg's word, and rpm's number of versions that stay
esac
if [ -d /run/systemd/system ]; then
  systemctl --no-reload disable --now cachemon-host.service
fi
if [ -d /sys/fs/resctrl/mon_groups ]; then
  PYTHONDONTWRITEBYTECODE=1 /usr/bin/cachemon host agent --remove || echo "cachemon: mon_groups that begin with cachemon- may be left below /sys/fs/resctrl" >&2
fi
