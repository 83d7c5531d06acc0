{{/* The namespace of the API: the release's own if the operator serves it, otherwise the first served one. */}}

{{- define "mosaic-operator.apiNamespace" -}}
{{- $places := splitList "," (include "mosaic-operator.places" .) -}}
{{- ternary .Release.Namespace (first $places) (has .Release.Namespace $places) -}}
{{- end }}

{{- define "mosaic-operator.apiName" -}}
{{- include "mosaic-operator.fullname" . }}-api
{{- end }}

{{- define "mosaic-operator.apiSelector" -}}
{{ include "mosaic-operator.instance" . }}
app.kubernetes.io/component: api
{{- end }}

{{/* The namespace in which only the API can set the owner of a request: its own, if the cluster supports it. */}}

{{- define "mosaic-operator.ownersNamespace" -}}
{{- if and .Values.api.enabled (semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version) -}}
{{- include "mosaic-operator.apiNamespace" . -}}
{{- end -}}
{{- end }}

{{/* The labels of every object of the API. */}}

{{- define "mosaic-operator.apiMetadata" -}}
namespace: {{ include "mosaic-operator.apiNamespace" . }}
labels:
  {{- include "mosaic-operator.labels" . | nindent 2 }}
  app.kubernetes.io/component: api
{{- end }}

{{/* The database settings, from the Secret. */}}

{{- define "mosaic-operator.apiDatabase" -}}
- name: MOSAIC_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.api.secretName }}, key: MOSAIC_DATABASE_URL}}
- name: MOSAIC_DATABASE_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .Values.api.secretName }}, key: MOSAIC_DATABASE_PASSWORD, optional: true}}
- name: MOSAIC_LOG_LEVEL
  value: {{ .Values.api.logLevel | quote }}
{{- end }}

{{/* The certificate of the database's own authority, if the Secret has one; mounted at /database. */}}

{{- define "mosaic-operator.apiDatabaseVolume" -}}
name: database
secret:
  secretName: {{ .Values.api.secretName }}
  items: [{key: ca.crt, path: ca.crt}]
  optional: true
{{- end }}

{{/* The API's settings. Numbers go through int64: Helm would write 2147483648 as 2.147483648e+09. */}}

{{- define "mosaic-operator.apiEnvironment" -}}
{{- $api := .Values.api -}}
{{ include "mosaic-operator.apiDatabase" . }}
{{- range $name := list "MOSAIC_SESSION_SECRET" "MOSAIC_OIDC_CLIENT_SECRET" "MOSAIC_CENTRAL_TOKEN" }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $api.secretName }}, key: {{ $name }}, optional: true}}
{{- end }}
- name: MOSAIC_CLUSTER
  value: "true"
- name: MOSAIC_NAMESPACE
  value: {{ include "mosaic-operator.apiNamespace" . }}
- name: MOSAIC_PUBLIC_URL
  value: {{ $api.publicUrl | quote }}
- name: MOSAIC_STORE
  value: {{ (include "mosaic-operator.store" . | fromYaml).uri | quote }}
- name: MOSAIC_ALLOWED_HOSTS
  value: {{ join "," .Values.allowedHosts | quote }}
- name: MOSAIC_PRIORITY_CLASSES
  value: {{ join "," .Values.requests.priorityClasses | quote }}
- name: MOSAIC_QUEUES
  value: {{ join "," .Values.requests.queues | quote }}
- name: MOSAIC_MAX_PIXELS
  value: {{ .Values.limits.maxPixels | int64 | quote }}
- name: MOSAIC_MAX_UPLOAD_BYTES
  value: {{ $api.limits.maxUploadBytes | int64 | quote }}
- name: MOSAIC_MAX_STORED_BYTES
  value: {{ $api.limits.maxStoredBytes | int64 | quote }}
- name: MOSAIC_MAX_DISPLAY_BYTES
  value: {{ $api.limits.maxDisplayBytes | int64 | quote }}
- name: MOSAIC_MAX_SCRATCH_BYTES
  value: {{ $api.scratch | quote }}
- name: MOSAIC_MAX_OPEN_REQUESTS
  value: {{ $api.limits.maxOpenRequests | int64 | quote }}
- name: MOSAIC_MAX_CALLS_PER_MINUTE
  value: {{ $api.limits.maxCallsPerMinute | int64 | quote }}
- name: MOSAIC_MAX_FAILED_LOGINS_PER_MINUTE
  value: {{ $api.limits.maxFailedLoginsPerMinute | int64 | quote }}
- name: MOSAIC_RESTORE_DAYS
  value: {{ $api.limits.restoreDays | int64 | quote }}
- name: MOSAIC_CENTRAL_URL
  value: {{ $api.centralUrl | quote }}
- name: MOSAIC_TILE_SERVER
  value: {{ $api.basemap.url | quote }}
- name: MOSAIC_TILE_ATTRIBUTION
  value: {{ $api.basemap.attribution | quote }}
{{- with $api.oidc }}
{{- if .issuer }}
- name: MOSAIC_OIDC_ISSUER
  value: {{ .issuer | quote }}
- name: MOSAIC_OIDC_CLIENT_ID
  value: {{ .clientId | quote }}
- name: MOSAIC_OIDC_SCOPES
  value: {{ .scopes | quote }}
- name: MOSAIC_OIDC_NAME_CLAIM
  value: {{ .nameClaim | quote }}
- name: MOSAIC_OIDC_ROLE_CLAIM
  value: {{ .roleClaim | quote }}
{{- $roles := list }}
{{- range $group, $role := .roles }}
{{- $roles = append $roles (printf "%s=%s" $group $role) }}
{{- end }}
- name: MOSAIC_OIDC_ROLES
  value: {{ join "," $roles | quote }}
- name: MOSAIC_OIDC_DEFAULT_ROLE
  value: {{ .defaultRole | quote }}
{{- end }}
{{- end }}
{{- with $api.trustedProxies }}
- name: FORWARDED_ALLOW_IPS # uvicorn's own variable
  value: {{ join "," . | quote }}
{{- end }}
{{- with $api.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The ports of the database, the API server, the OpenID provider and the central installation; as a JSON list. */}}

{{- define "mosaic-operator.apiPorts" -}}
{{- $ports := list 443 6443 (int .Values.api.databasePort) -}}
{{- range compact (list .Values.api.oidc.issuer .Values.api.centralUrl) -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $ports = append $ports (ternary (int $port) (ternary 80 443 (eq $url.scheme "http")) (ne $port "")) -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end }}
