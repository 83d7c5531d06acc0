# What only some tests need: Kueue, and kube-router, which enforces NetworkPolicies in k3s too.
# shellcheck shell=bash

lab_policies() {
  case ${1:-} in
    on)
      is_alive kube-apiserver || die "the cluster is not up"
      filter_bridge
      start_process kube-router
      await 60 is_ready kube-router || die "kube-router is not ready, see $run/log/kube-router.log"
      ;;
    off)
      stop_process kube-router KILL
      remove_policies
      ;;
    *) die "policies are on or off: ${1:-(none)}" ;;
  esac
}

filter_bridge() { # packets between pods, which share a bridge, pass iptables; `down` restores the setting
  local setting=/proc/sys/net/bridge/bridge-nf-call-iptables
  [ -w $setting ] || modprobe br_netfilter 2> /dev/null || true
  [ -w $setting ] || die "kube-router needs the kernel module br_netfilter"
  echo 1 > $setting
}

policies_enforced() { iptables -S KUBE-ROUTER-FORWARD | grep -q -- '-j ACCEPT'; } # the last rule of a synchronization

remove_policies() {
  local name rules
  rules=$(nft list table ip filter 2> /dev/null) || return 0 # iptables would make the table
  [[ $rules == *KUBE-ROUTER* ]] || return 0
  iptables-save --table filter | grep -v -e KUBE-ROUTER -e KUBE-POD-FW -e KUBE-NWPLCY | iptables-restore --table filter
  for name in $(ipset list -name | grep -E '^(inet6:)?KUBE-|^kube-router-'); do ipset destroy "$name"; done
}

lab_kueue() {
  has_image "$kueue_image" || build_kueue_image
  lab_load "$kueue_image"
  helm upgrade --install kueue "$cache/kueue-chart-$kueue_version" --namespace kueue-system --create-namespace \
    --values - > /dev/null << END
controllerManager:
  featureGates: [{name: VisibilityOnDemand, enabled: false}]
  manager:
    image: {repository: "${kueue_image%:*}", tag: "${kueue_image##*:}", pullPolicy: Never}
    resources: {requests: {cpu: 10m, memory: 64Mi}, limits: {memory: 512Mi}}
  readinessProbe: {initialDelaySeconds: 1}
managerConfig:
  controllerManagerConfigYaml: |
    apiVersion: config.kueue.x-k8s.io/v1beta2
    kind: Configuration
    health: {healthProbeBindAddress: ":8081"}
    metrics: {bindAddress: ":8443"}
    webhook: {port: 9443}
    leaderElection: {leaderElect: false}
    integrations: {frameworks: [batch/job]}
    # Only in these namespaces: other tests run at the same time.
    managedJobsNamespaceSelector: {matchLabels: {kueue: managed}}
END
  # Its pod makes a certificate, and waits until the kubelet has updated the mounted Secret: when the pod changes, or
  # after a minute.
  await 60 kueue_has_certificate || die "Kueue has made no certificate"
  kubectl annotate pods --all --overwrite --namespace kueue-system certificate=made > /dev/null
  kubectl rollout status deployment/kueue-controller-manager --namespace kueue-system --timeout 60s > /dev/null
}

kueue_has_certificate() {
  [ -n "$(kubectl get secret kueue-webhook-server-cert --namespace kueue-system --output 'jsonpath={.data.tls\.crt}')" ]
}

build_kueue_image() {
  local context=$cache/images/kueue
  mkdir -p "$context"
  ln -f "$bin/kueue-$kueue_version" "$context/manager"
  printf 'FROM scratch\nCOPY manager /manager\nUSER 65532:65532\nENTRYPOINT ["/manager"]\n' > "$context/Dockerfile"
  buildah build -q --isolation chroot -t "$kueue_image" "$context" > /dev/null
  rm -r "$context"
}
