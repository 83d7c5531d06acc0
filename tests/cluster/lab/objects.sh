# Objects of a cluster in addition to Kubernetes: DNS names, and a StorageClass with volumes.
# shellcheck shell=bash

make_objects() {
  lab_dns
  apply << END
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local-path, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
reclaimPolicy: Retain
volumeBindingMode: Immediate
END
  make_volume volume "$run/volume"
}

lab_dns() { # headless Services have no address of their own, and no name here
  is_alive dns || die "the cluster is not up"
  kubectl get services --all-namespaces --no-headers --output custom-columns=\
IP:.spec.clusterIP,NAME:.metadata.name,NAMESPACE:.metadata.namespace \
    | awk -v domain="svc.$domain" '$1 ~ /^[0-9]/ {print $1, $2 "." $3 "." domain}' > "$run/services.hosts.new"
  mv "$run/services.hosts.new" "$run/services.hosts"
  kill -HUP "$(cat "$run/pid/dns")" # read it again
}

lab_volume() {
  [[ ${1:-} =~ ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$ ]] || die "a volume's name is made of a-z, 0-9 and -: ${1:-(none)}"
  local folder=$run/volumes/$1
  [ "$1" != volume ] || folder=$run/volume # the one that `up` made
  make_volume "$1" "$folder"
}

# Replaces k3s's local-path provisioner, whose image is in a registry: volumes of the class `local-path` are created at
# the start, or by `lab volume`. A volume whose claim was deleted can be claimed again, with its contents.
make_volume() { # make_volume NAME FOLDER
  local phase
  mkdir -p "$2"
  chmod 0777 "$2"
  phase=$(kubectl apply --filename - --output 'jsonpath={.status.phase}' << END
apiVersion: v1
kind: PersistentVolume
metadata: {name: $1}
spec:
  capacity: {storage: 50Gi}
  accessModes: [ReadWriteOnce, ReadWriteMany]
  storageClassName: local-path
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: $2, type: Directory}
END
  )
  if [ "$phase" = Released ]; then
    kubectl patch pv "$1" --type json --patch '[{"op": "remove", "path": "/spec/claimRef"}]' > /dev/null
  fi
}

apply() { kubectl apply --filename - > /dev/null; }
