{{/*
The store as worker pods see it: its uri, and the env, volumes and volumeMounts that make it reachable.
Each type of store.type is a template of its own here.
*/}}

{{- define "mosaic-operator.store" -}}
{{- include (printf "mosaic-operator.store.%s" .Values.store.type) . -}}
{{- end }}

{{- define "mosaic-operator.store.persistentVolumeClaim" -}}
{{- $many := or .Values.allNamespaces (gt (len .Values.namespaces) 1) -}}
{{- if and $many (not (and .Values.store.existingClaim .Values.store.claimInEveryNamespace)) -}}
{{- fail "a claim belongs to one namespace, and many are to be served: make a claim of one name, leading to the same storage, in each of them, and set store.existingClaim to that name and store.claimInEveryNamespace to true; or serve one namespace" -}}
{{- end -}}
uri: file:///store
env: []
volumes:
  - name: store
    persistentVolumeClaim:
      claimName: {{ include "mosaic-operator.claim" . }}
volumeMounts:
  - name: store
    mountPath: /store
{{- end }}

{{- define "mosaic-operator.claim" -}}
{{- .Values.store.existingClaim | default (printf "%s-store" (include "mosaic-operator.fullname" .)) -}}
{{- end }}
