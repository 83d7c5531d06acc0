# The components: their commands, and how to know that they are ready.
# shellcheck shell=bash disable=SC2034

components=(containerd etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy dns)

record_components() {
  local etcd=http://127.0.0.1:2379 peer=http://127.0.0.1:2380 pki=$run/pki
  local admin=--kubeconfig=$run/admin.kubeconfig

  record containerd containerd --config "$run/containerd.toml"

  record etcd etcd --data-dir "$run/etcd" --unsafe-no-fsync \
    --listen-client-urls $etcd --advertise-client-urls $etcd \
    --listen-peer-urls $peer --initial-advertise-peer-urls $peer --initial-cluster default=$peer

  # Admission: NodeRestriction besides the defaults, among which are PodSecurity, ResourceQuota and LimitRanger.
  record kube-apiserver kube-apiserver --etcd-servers=$etcd \
    --bind-address="$node_address" --advertise-address="$node_address" --service-cluster-ip-range="$service_cidr" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
    --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key" \
    --kubelet-preferred-address-types=InternalIP --service-account-issuer="https://kubernetes.default.svc.$domain" \
    --service-account-key-file="$pki/serviceaccount.key" --service-account-signing-key-file="$pki/serviceaccount.key"

  record kube-controller-manager kube-controller-manager "$admin" --leader-elect=false --bind-address=127.0.0.1 \
    --service-account-private-key-file="$pki/serviceaccount.key" --root-ca-file="$pki/ca.crt" \
    --use-service-account-credentials --flex-volume-plugin-dir="$run/kubelet/plugins-exec"

  record kube-scheduler kube-scheduler "$admin" --leader-elect=false --bind-address=127.0.0.1

  record kubelet kubelet --config="$run/kubelet.yaml" --kubeconfig="$run/kubelet.kubeconfig" \
    --hostname-override="$node" --node-ip="$node_address" --root-dir="$run/kubelet" \
    --cert-dir="$run/kubelet/pki"

  # masquerade-all: pods share a bridge, so the answer of a Service's pod must come back through the node, which alone
  # knows the Service's address.
  record kube-proxy kube-proxy "$admin" --proxy-mode=nftables --hostname-override="$node" --cluster-cidr="$pod_cidr" \
    --masquerade-all --conntrack-max-per-core=0 --healthz-bind-address=127.0.0.1:10256

  record kube-router kube-router "$admin" --hostname-override="$node" --run-firewall --run-router=false \
    --run-service-proxy=false --enable-cni=false --service-cluster-ip-range="$service_cidr" --health-port=0

  # Names of Services come from a file that `lab dns` writes; no other name exists.
  record dns dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --log-facility=- \
    --listen-address="$node_address" --bind-interfaces --no-resolv --no-hosts --addn-hosts="$run/services.hosts" \
    --address=/#/
}

is_ready() { # is_ready NAME
  is_alive "$1" || return 1
  case $1 in
    containerd) containers version > /dev/null 2>&1 ;;
    etcd | kube-apiserver) api_ready ;;
    kubelet) healthz 10248 && node_ready ;;
    kube-proxy) healthz 10256 ;;
    kube-router) policies_enforced ;;
    *) true ;;
  esac
}

containers() { ctr --address "$run/containerd.sock" --namespace k8s.io "$@"; }

api_ready() { kubectl get --raw /readyz --request-timeout=3s > /dev/null 2>&1; }

node_ready() {
  [ "$(kubectl get node "$node" --request-timeout=3s 2> /dev/null \
    --output 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]
}

healthz() ( # healthz PORT
  exec 3<> "/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
  grep -q '^HTTP/1.. 200' <&3
)
