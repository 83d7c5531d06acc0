# Requirements on the machine, and the Debian packages that the lab uses.
# shellcheck shell=bash

# program:package
needed=(
  containerd:containerd runc:runc /usr/lib/cni/bridge:containernetworking-plugins nft:nftables
  iptables:iptables ipset:ipset ip:iproute2 dnsmasq:dnsmasq-base buildah:buildah mmdebstrap:mmdebstrap
  busybox:busybox-static openssl:openssl
)

missing_packages() {
  local pair
  for pair in "${needed[@]}"; do
    command -v "${pair%%:*}" > /dev/null || echo "${pair##*:}"
  done
}

explain_missing() { # one line and 1 when the lab cannot run here
  local missing
  [ "$(uname -s)" = Linux ] || { echo "the cluster lab needs Linux, this is $(uname -s)"; return 1; }
  [ "$(id -u)" = 0 ] || { echo "the cluster lab needs root"; return 1; }
  cgroups_writable || { echo "the cluster lab needs writable cgroups at /sys/fs/cgroup"; return 1; }
  unshare --mount --net true 2> /dev/null || { echo "the cluster lab needs the right to make namespaces"; return 1; }
  missing=$(missing_packages | xargs)
  if [ -n "$missing" ] && ! command -v apt-get > /dev/null; then
    echo "the cluster lab needs the programs of Debian's packages $missing, and there is no apt-get"
    return 1
  fi
  if must_build && ! go_suits && ! python3 -c 'import ensurepip, venv' 2> /dev/null; then
    echo "the cluster lab needs Go $go_minimum, or Python with venv to install it"
    return 1
  fi
  if ! is_healthy && port_taken 6443; then
    echo "the cluster lab needs port 6443, where another API server listens"
    return 1
  fi
}

cgroups_writable() {
  local root=/sys/fs/cgroup probe
  [ -f $root/cgroup.controllers ] || root=/sys/fs/cgroup/memory # version 1
  probe=$root/mosaic-lab-check.$$
  mkdir "$probe" 2> /dev/null && rmdir "$probe"
}

port_taken() { # by a process that is not one of a lab
  local -r hex=$(printf '%04X' "$1")
  ! is_alive kube-apiserver && awk -v p=":$hex\$" '$2 ~ p && $4 == "0A" {found = 1} END {exit !found}' \
    /proc/net/tcp /proc/net/tcp6 2> /dev/null
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  } > "$cache/apt.log" 2>&1 || die "apt-get failed, see $cache/apt.log"
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -eq 0 ] || die "still missing after installation: ${missing[*]}"
}
