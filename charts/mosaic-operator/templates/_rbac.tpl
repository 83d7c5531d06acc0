{{/* Exactly the verbs of the operator's calls. */}}

{{- define "mosaic-operator.rules" -}}
- apiGroups: [mosaics.arbutus.dev]
  resources: [mosaicrequests]
  verbs: [get, list, watch, patch{{ if .Values.requests.ttlAfterFinished }}, delete{{ end }}] # patch: the label of finished requests
- apiGroups: [mosaics.arbutus.dev]
  resources: [mosaicrequests/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, delete] # the input of pods; the operator cannot read Secrets
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete] # delete: pods on lost nodes, which no kubelet can end
- apiGroups: [""]
  resources: [pods/status]
  verbs: [patch] # marks pods on lost nodes as failed, so that they are replaced
- apiGroups: [""]
  resources: [events]
  verbs: [list, create]
{{- end }}

{{- define "mosaic-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "mosaic-operator.fullname" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
