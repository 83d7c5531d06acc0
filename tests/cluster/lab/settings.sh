# Versions, paths and addresses, and functions for messages.
# shellcheck shell=bash disable=SC2034

kubernetes_version=1.36.3
etcd_version=v3.6.16 # Debian's is too old for lists from the memory of the API server
helm_version=v3.22.0
kube_router_version=v2.1.0
kueue_version=v0.17.1
go_minimum=1.26
debian_suite=bookworm

repository=$(cd "$here/../../.." && pwd)
cache=$(realpath -m "${MOSAIC_CLUSTER_CACHE:-${HOME:-/root}/.cache/mosaic-operator/cluster}")
bin=$cache/bin # built programs
run=$cache/run # everything of the running cluster; `down` removes it

node=node1
bridge=mosaic-lab
network=mosaic-lab
# The node has the address of the pod bridge, because a kubelet refuses a loopback address.
node_address=10.244.0.1
pod_cidr=10.244.0.0/24
service_cidr=10.96.0.0/16
api_service=10.96.0.1 # the first of service_cidr is the Service `kubernetes`
api_server=https://$node_address:6443
domain=cluster.local

pause_image=localhost/pause:1
kueue_image=localhost/kueue:$kueue_version
base_image=localhost/python:3.11-slim

export PATH=$bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin
export KUBECONFIG=$run/admin.kubeconfig
export STORAGE_DRIVER=overlay BUILDAH_LAYERS=true # buildah's
# Go collects garbage less often: more memory, about a tenth less processor time of the API server and the kubelet.
export GOGC=400
umask 022

say() { echo "lab: $*" >&2; }

die() {
  say "$@"
  exit 1
}

await() { # await SECONDS COMMAND...: until it succeeds, or fail
  local deadline=$((SECONDS + $1))
  shift
  until "$@" > /dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}
