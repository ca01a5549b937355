#!/usr/bin/env bash
# Becomes the first process of a container: run by `unshare --mount --pid --net --uts --ipc --fork`, as root.
# What an engine would take from its configuration comes in variables; "$@" is the program.
set -euo pipefail

# 1. A root file system: this machine's, and on top of it what the image adds. Nothing that is written reaches the machine.
mount -t tmpfs none "$SCRATCH"
mkdir "$SCRATCH"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work" "$SCRATCH/root"
root=$SCRATCH/root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for folder in $IMAGE_FOLDERS; do
  mkdir -p "$root$folder"
  mount --bind "$IMAGE$folder" "$root$folder"
  mount -o remount,bind,ro "$root$folder"
done
cp "$HOSTS" "$root/etc/hosts"

# 2. Volumes, one a line: source, target, ro or rw.
while read -r source target mode; do
  if [ -d "$source" ]; then mkdir -p "$root$target"; else mkdir -p "$(dirname "$root$target")"; touch "$root$target"; fi
  mount --bind "$source" "$root$target"
  mount -o "remount,bind,$mode" "$root$target"
done <"$VOLUMES"
for target in $TMPFS; do mount -t tmpfs -o mode=1777 none "$root$target"; done
if [ "$READ_ONLY" = true ]; then mount -o remount,ro "$root"; fi

# 3. The network: the cable is plugged in from outside.
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip link set lo up
ip address add "$ADDRESS/24" dev eth0
ip link set eth0 up
# /proc/sys belongs to this network namespace.
for setting in $SYSCTLS; do echo "${setting#*=}" >"$root/proc/sys/$(tr . / <<<"${setting%%=*}")"; done
mount -o remount,bind,ro "$root/proc" 2>/dev/null || true

# 4. Another root, another user, no capability left and none to be had; the program takes this process over.
# To change the user ends the tie to the process that would take this one down with it, so it is made again.
exec chroot "$root" setpriv --pdeathsig KILL --reuid "$UID_GID" --regid "$UID_GID" --clear-groups --no-new-privs --bounding-set=-all \
  --inh-caps=-all -- env --ignore-environment --chdir "$WORKDIR" "$@"
