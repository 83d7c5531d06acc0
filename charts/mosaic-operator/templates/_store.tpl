{{/*
The store as worker pods see it: its uri, and the env, envFrom, volumes and volumeMounts that make it reachable.
*/}}

{{- define "mosaic-operator.store" -}}
{{- include (ternary "mosaic-operator.remoteStore" "mosaic-operator.claimStore" (ne .Values.store.uri "")) . -}}
{{- end }}

{{- define "mosaic-operator.remoteStore" -}}
{{- $store := .Values.store -}}
{{- if or $store.existingClaim $store.claimInEveryNamespace -}}
{{- fail "store.uri is a network store and uses no claim: remove store.existingClaim and store.claimInEveryNamespace, or store.uri" -}}
{{- end -}}
{{- if and $store.endpoint (not (hasPrefix "s3://" $store.uri)) -}}
{{- fail "store.endpoint applies only to an s3:// store; the endpoint of Azure follows from the account" -}}
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
{{- fail "a claim belongs to one namespace, and several are served: create a claim with the same name and the same storage in each namespace and set store.existingClaim to that name and store.claimInEveryNamespace to true; or serve one namespace; or use a network store, store.uri" -}}
{{- end -}}
{{- if or .Values.store.secretName .Values.store.endpoint -}}
{{- fail "store.secretName and store.endpoint apply only to a network store: set store.uri, or remove them" -}}
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
