#!/bin/sh
# Before a removal or an upgrade. On an upgrade the mon_groups stay: the next version's agent adopts them.
set -e
case "${1:-}" in
1) exit 0 ;; # rpm's number of versions that stay: the other one is in place already, and compiled
esac
find /usr/lib/cachemon -name __pycache__ -prune -exec rm -r {} +
case "${1:-}" in
remove | 0) ;;
*) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
  systemctl --no-reload disable --now cachemon-host.service
fi
if [ -d /sys/fs/resctrl/mon_groups ]; then
  PYTHONDONTWRITEBYTECODE=1 /usr/bin/cachemon host agent --remove || echo "cachemon: mon_groups that begin with cachemon- may be left below /sys/fs/resctrl" >&2
fi
rmdir /run/cachemon 2>/dev/null || : # RuntimeDirectoryPreserve= keeps it; it may have files of others
