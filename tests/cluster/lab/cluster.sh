# Starting and stopping the cluster.
# shellcheck shell=bash

kernel_settings=(
  net/ipv4/ip_forward vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes net/bridge/bridge-nf-call-iptables
)

lab_up() {
  [[ ${#cache} -le 80 && $cache != *[[:space:]]* ]] \
    || die "MOSAIC_CLUSTER_CACHE must have no spaces and at most 80 characters (sockets are in it): $cache"
  if is_healthy; then
    say "the cluster is up already"
    return
  fi
  explain_missing >&2 || exit 1
  install_packages
  lab_build
  lab_images
  clean # what an interrupted run left
  say "starting Kubernetes $kubernetes_version"
  configure
  record_components
  save_kernel_settings
  make_bridge
  start_all
  make_objects
  say "ready: eval \"\$($here/lab env)\""
}

lab_down() {
  clean
  say "down"
}

lab_env() {
  echo "export KUBECONFIG=$run/admin.kubeconfig"
  echo "export PATH=$bin:\$PATH"
}

is_healthy() {
  local name
  for name in "${components[@]}"; do
    is_alive "$name" || return 1
  done
  await 30 api_ready && await 30 node_ready # a busy one is slow
}

make_bridge() {
  ip link add "$bridge" type bridge
  ip address add "$node_address/${pod_cidr#*/}" dev "$bridge"
  ip link set "$bridge" up
  echo 1 > /proc/sys/net/ipv4/ip_forward
}

start_all() {
  local name
  : > "$run/services.hosts"
  for name in etcd containerd dns; do start_process $name; done
  lab_start kube-apiserver
  for name in kube-controller-manager kube-scheduler kube-proxy; do start_process $name; done
  lab_start containerd
  lab_load "$pause_image"
  lab_start kubelet
}

clean() { # leave nothing of a cluster, whole or half
  [ -d "$run" ] || ip link show "$bridge" > /dev/null 2>&1 || return 0
  local name
  for name in kube-router kube-proxy kubelet kube-scheduler kube-controller-manager kube-apiserver etcd dns; do
    stop_process $name KILL # its state goes with it
  done
  remove_containers
  stop_process containerd TERM
  unmount_all
  remove_network
  restore_kernel_settings
  find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2> /dev/null || true
  find /var/log/containers -type l -lname "$run/*" -delete 2> /dev/null || true
  rm -rf --one-file-system "$run"
}

remove_containers() {
  local shims=$run/containerd/state/io.containerd.runtime.v2.task/k8s.io
  [ -n "$(ls -A "$shims" 2> /dev/null)" ] || return 0
  # containerd ends containers most reliably; if it was killed or does not answer, start it again for that.
  is_ready containerd || lab_restart containerd
  local id
  (
    for id in $(containers tasks list --quiet); do containers tasks delete --force "$id" > /dev/null 2>&1 & done
    wait
  )
  for id in $(containers containers list --quiet); do containers containers delete "$id" > /dev/null 2>&1 || true; done
  [ -z "$(containers tasks list --quiet)" ] || die "containers still run: $(containers tasks list | tail -n +2)"
}

remove_network() {
  local family result id
  ip link delete "$bridge" 2> /dev/null || true
  remove_policies
  for family in ip ip6; do nft delete table $family kube-proxy 2> /dev/null || true; done
  for result in "/var/lib/cni/results/$network-"*-eth0; do
    id=${result#"/var/lib/cni/results/$network-"}
    rm -f "$result" "/var/lib/cni/results/cni-loopback-${id%-eth0}-lo"
  done
}

unmount_all() {
  local target
  while read -r target; do
    umount "$target" 2> /dev/null || umount --lazy "$target"
  done < <(awk -v under="$run/" 'index($2, under) == 1 {print $2}' /proc/mounts | sort -r)
}

save_kernel_settings() {
  local name
  for name in "${kernel_settings[@]}"; do
    [ ! -r "/proc/sys/$name" ] || echo "$name $(cat "/proc/sys/$name")"
  done > "$run/kernel-settings"
}

restore_kernel_settings() {
  [ -f "$run/kernel-settings" ] || return 0
  local name value
  while read -r name value; do
    [ "$(cat "/proc/sys/$name")" = "$value" ] || echo "$value" > "/proc/sys/$name" || true
  done < "$run/kernel-settings"
}
