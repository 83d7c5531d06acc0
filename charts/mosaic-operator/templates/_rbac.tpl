{{/* Each verb here is a call that the operator makes, and no other. */}}

{{- define "mosaic-operator.rules" -}}
- apiGroups: [mosaics.arbutus.dev]
  resources: [mosaicrequests]
  verbs: [get, list, watch, patch{{ if .Values.requests.ttlAfterFinished }}, delete{{ end }}] # patch: the label of finished ones
- apiGroups: [mosaics.arbutus.dev]
  resources: [mosaicrequests/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, delete] # those with the requests that pods read; the operator reads none
- apiGroups: [""]
  resources: [pods]
  verbs: [list, delete] # delete: those on lost nodes, which no kubelet can end
- apiGroups: [""]
  resources: [pods/status]
  verbs: [patch] # the same: they count as failed, and are replaced
- apiGroups: [""]
  resources: [events]
  verbs: [list, create]
{{- end }}

{{- define "mosaic-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "mosaic-operator.fullname" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
