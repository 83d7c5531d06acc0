{{/*
The store as worker pods see it: its uri, and the env, envFrom, volumes and volumeMounts that make it reachable.
*/}}

{{- define "mosaic-operator.store" -}}
{{- include (ternary "mosaic-operator.remoteStore" "mosaic-operator.claimStore" (ne .Values.store.uri "")) . -}}
{{- end }}

{{- define "mosaic-operator.remoteStore" -}}
{{- $store := .Values.store -}}
{{- if or $store.existingClaim $store.claimInEveryNamespace -}}
{{- fail "store.uri names a store over the network, which takes no claim: leave store.existingClaim and store.claimInEveryNamespace out, or store.uri" -}}
{{- end -}}
{{- if and $store.endpoint (not (hasPrefix "s3://" $store.uri)) -}}
{{- fail "store.endpoint is of an s3:// store: Azure's endpoints follow from the account" -}}
{{- end -}}
uri: {{ $store.uri | quote }}
env:
  {{- with $store.endpoint }}
  - name: AWS_ENDPOINT_URL
    value: {{ . | quote }}
  {{- end }}
envFrom:
  {{- with $store.secretName }}
  - secretRef:
      name: {{ . }}
  {{- end }}
volumes: []
volumeMounts: []
{{- end }}

{{- define "mosaic-operator.claimStore" -}}
{{- $many := or .Values.allNamespaces (gt (len .Values.namespaces) 1) -}}
{{- if and $many (not (and .Values.store.existingClaim .Values.store.claimInEveryNamespace)) -}}
{{- fail "a claim belongs to one namespace, and many are to be served: make a claim of one name, leading to the same storage, in each of them, and set store.existingClaim to that name and store.claimInEveryNamespace to true; or serve one namespace; or take a store over the network, store.uri" -}}
{{- end -}}
{{- if or .Values.store.secretName .Values.store.endpoint -}}
{{- fail "store.secretName and store.endpoint are of a store over the network: set store.uri, or leave them out" -}}
{{- end -}}
uri: file:///store
env: []
envFrom: []
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
