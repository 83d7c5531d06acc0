# Certificates, kubeconfigs and configuration files of the running cluster, under $run.
# shellcheck shell=bash

configure() {
  mkdir -p "$run"/{pki,log,pid,command,loaded,cni,volume}
  chmod 700 "$run"
  make_certificates
  kubeconfig admin
  kubeconfig kubelet
  configure_network
  configure_containerd
  configure_kubelet
}

make_certificates() (
  cd "$run/pki" || exit
  openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 365 -subj "/CN=mosaic-lab" 2> /dev/null
  local names="DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
  certificate apiserver "/CN=kube-apiserver" \
    "subjectAltName=IP:127.0.0.1,IP:$api_service,IP:$node_address,$names,DNS:kubernetes.default.svc.$domain"
  certificate admin "/O=system:masters/CN=admin" "extendedKeyUsage=clientAuth"
  certificate kubelet "/O=system:nodes/CN=system:node:$node" "extendedKeyUsage=clientAuth,serverAuth"
  openssl genrsa -out serviceaccount.key 2048 2> /dev/null
)

certificate() { # certificate NAME SUBJECT EXTENSIONS
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2> /dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -out "$1.crt" -days 365 \
    -extfile <(echo "$3") 2> /dev/null
}

kubeconfig() { # kubeconfig NAME
  cat > "$run/$1.kubeconfig" << END
apiVersion: v1
kind: Config
clusters:
  - {name: lab, cluster: {server: "$api_server", certificate-authority-data: $(base64 -w0 "$run/pki/ca.crt")}}
users:
  - name: user
    user:
      client-certificate-data: $(base64 -w0 "$run/pki/$1.crt")
      client-key-data: $(base64 -w0 "$run/pki/$1.key")
contexts: [{name: lab, context: {cluster: lab, user: user}}]
current-context: lab
END
  chmod 600 "$run/$1.kubeconfig"
}

configure_network() {
  cat > "$run/cni/10-lab.conflist" << END
{"cniVersion": "0.4.0", "name": "$network", "plugins": [{
  "type": "bridge", "bridge": "$bridge", "isGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "dataDir": "$run/addresses",
           "ranges": [[{"subnet": "$pod_cidr"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
}

configure_containerd() {
  # restrict_oom_score_adj: where root has no CAP_SYS_RESOURCE, runc cannot lower a sandbox's score, and dies with
  # "can't get final child's PID from pipe".
  cat > "$run/containerd.toml" << END
version = 2
root = "$run/containerd/root"
state = "$run/containerd/state"
[grpc]
  address = "$run/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$run/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause_image"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$run/cni"
END
}

configure_kubelet() {
  cat > "$run/kubelet.yaml" << END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $run/pki/ca.crt}}
authorization: {mode: Webhook}
address: $node_address
containerRuntimeEndpoint: unix://$run/containerd.sock
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
clusterDNS: [$node_address]
clusterDomain: $domain
resolvConf: "" # pods know the cluster's names only, not the machine's search domains
podLogsDir: $run/pods
volumePluginDir: $run/kubelet/plugins-exec
makeIPTablesUtilChains: false
END
}
