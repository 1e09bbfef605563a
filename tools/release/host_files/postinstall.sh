#!/bin/sh
# After an installation or an upgrade. The service is not enabled: it touches the kernel, so an admin decides.
set -e
python3 -m compileall -q /usr/lib/cachemon
systemd-sysusers cachemon-host.conf
if [ -d /run/systemd/system ]; then
  # A systemd that is slow to answer does as it is asked all the same: no reason to leave the package half installed.
  systemctl daemon-reload || :
  systemctl try-restart cachemon-host.service || :
fi
