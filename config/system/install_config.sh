#!/bin/sh
# Puts the default configuration in place, but never over one that is there: an upgrade keeps the site's settings.
#   install_config.sh DEFAULT-FILE SYSCONFDIR        (called by `meson install`, which sets DESTDIR)
set -eu
folder=${DESTDIR:-}$2/doorslam
if [ -e "$folder/doorslam.yaml" ]; then
  echo "keeping $folder/doorslam.yaml; the new defaults are in $folder/doorslam.yaml.default"
  install -m 0644 "$1" "$folder/doorslam.yaml.default"
  exit 0
fi
install -d -m 0755 "$folder"
install -m 0644 "$1" "$folder/doorslam.yaml"
