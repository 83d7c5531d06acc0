{{/* Names. A release named like the chart uses its name alone. */}}

{{- define "mosaic-operator.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | replace "." "-" | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "mosaic-operator.image" -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .Chart.AppVersion) -}}
{{- end }}

{{/* Labels. */}}

{{- define "mosaic-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "mosaic-operator.instance" . }}
{{- end }}

{{- define "mosaic-operator.instance" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mosaic-operator.selector" -}}
{{ include "mosaic-operator.instance" . }}
app.kubernetes.io/component: operator
{{- end }}

{{/* The served namespaces, separated by commas; empty for all. */}}

{{- define "mosaic-operator.namespaces" -}}
{{- if and .Values.allNamespaces .Values.namespaces -}}
{{- fail "set allNamespaces or namespaces, not both" -}}
{{- end -}}
{{- if not .Values.allNamespaces -}}
{{- .Values.namespaces | default (list .Release.Namespace) | join "," -}}
{{- end -}}
{{- end }}

{{/* The namespaces, separated by commas, in which the chart creates objects: with allNamespaces the release's own. */}}

{{- define "mosaic-operator.places" -}}
{{- include "mosaic-operator.namespaces" . | default .Release.Namespace -}}
{{- end }}

{{/* The affinity of pods; by default several replicas prefer different nodes, if they can be apart. */}}

{{- define "mosaic-operator.affinity" -}}
{{- if .affinity -}}
{{- toYaml .affinity -}}
{{- else if and .apart (gt (int .replicas) 1) -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- .selector | nindent 12 }}
{{- end -}}
{{- end }}

{{/* What the restricted Pod Security Standard requires, and more. */}}

{{- define "mosaic-operator.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "mosaic-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Refuse volumes without a source or with a name of another, and mounts of unknown volumes or over folders of the chart. */}}

{{- define "mosaic-operator.checkVolumes" -}}
{{- $names := list -}}
{{- range .values.extraVolumes -}}
{{- if has .name (concat $.volumes $names) -}}
{{- fail (printf "%s.extraVolumes: the pod has another volume with the name %s; choose a different name" $.at .name) -}}
{{- end -}}
{{- if ne (len .) 2 -}}
{{- fail (printf "%s.extraVolumes: %s needs one source, such as configMap, secret or persistentVolumeClaim" $.at .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- range $mount := .values.extraVolumeMounts -}}
{{- if not (has .name $names) -}}
{{- fail (printf "%s.extraVolumeMounts: add a volume with the name %s to %s.extraVolumes" $.at .name $.at) -}}
{{- end -}}
{{- range $.folders -}}
{{- if hasPrefix (printf "%s/" .) (printf "%s/" $mount.mountPath) -}}
{{- fail (printf "%s.extraVolumeMounts: the pod uses %s itself; mount %s outside of it" $.at . $mount.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
