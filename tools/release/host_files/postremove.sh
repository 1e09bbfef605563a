#!/bin/sh
# After a removal. User and group stay: files may belong to them.
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || :
fi
