# Images without a registry: base images of Debian packages, and the images of this project on top of them.
# shellcheck shell=bash

lab_images() {
  mkdir -p "$cache/images"
  has_image "$pause_image" || build_pause
  has_image "$base_image" || build_base
}

has_image() { buildah inspect --type image "$1" > /dev/null 2>&1; }

build_pause() {
  local context=$cache/images/pause
  mkdir -p "$context"
  cp "$(command -v busybox)" "$context/busybox"
  printf 'FROM scratch\nCOPY busybox /busybox\nENTRYPOINT ["/busybox","sleep","2147483647"]\n' > "$context/Dockerfile"
  buildah build -q --isolation chroot -t "$pause_image" "$context" > /dev/null
  rm -r "$context"
}

build_base() { # what python:3.11-slim is, of Debian's own Python
  say "building $base_image from Debian's packages (half a minute)"
  local context=$cache/images/python
  mkdir -p "$context"
  mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$debian_suite" "$context/root.tar"
  printf 'FROM scratch\nADD root.tar /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n' \
    > "$context/Dockerfile"
  buildah build -q --isolation chroot -t "$base_image" "$context" > /dev/null
  rm -r "$context"
}

lab_project() { # lab_project [worker|operator|api...]
  install_packages
  lab_images
  [ $# -gt 0 ] || set -- worker operator api
  local name file built=()
  for name in "$@"; do
    case $name in
      worker) file=worker_image/Dockerfile ;;
      operator) file=operator/Dockerfile ;;
      api) file=api/Dockerfile ;;
      *) die "no such image of this project: $name (worker, operator, api)" ;;
    esac
    say "building localhost/mosaic-$name:dev"
    # The machine's certificates are mounted while building, for registries behind a proxy; they are not in the image.
    buildah build -q --isolation chroot --pull-never --volume /etc/ssl/certs:/etc/ssl/certs:ro \
      --build-arg "BASE=$base_image" --build-arg VERSION=dev --tag "localhost/mosaic-$name:dev" \
      --file "$repository/$file" "$repository" > "$cache/images/$name.log" 2>&1 \
      || { tail -20 "$cache/images/$name.log" >&2; die "building the image failed, see $cache/images/$name.log"; }
    built+=("localhost/mosaic-$name:dev")
  done
  if is_alive containerd; then lab_load "${built[@]}"; fi
}

lab_variant() { # lab_variant TAG: the worker's image as of another release, whose code that pixels depend on differs
  local image=localhost/mosaic-worker:$1
  buildah build -q --layers --isolation chroot --pull-never --tag "$image" --file - "$cache/images" > /dev/null <<'END'
FROM localhost/mosaic-worker:dev
USER 0
RUN ["python", "-c", "from mosaic_worker.version import counted_sources\nwith counted_sources()[-1][1].open('a') as source:\n    source.write('# another release\\n')"]
USER 65532:65532
END
  lab_load "$image"
}

lab_load() {
  is_alive containerd || die "the cluster is not up"
  local image id loaded
  for image in "$@"; do
    id=$(buildah inspect --type image --format '{{.FromImageID}}' "$image") || die "buildah has no image $image"
    loaded=$run/loaded/${image//\//_}
    [ "$(cat "$loaded" 2> /dev/null)" != "$id" ] || continue
    hand_over "$image"
    echo "$id" > "$loaded"
  done
}

hand_over() {
  local archive=$cache/images/handed-over.tar
  rm -f "$archive"
  buildah push -q "$1" "docker-archive:$archive:$1"
  containers images import "$archive" > /dev/null
  rm -f "$archive"
}
