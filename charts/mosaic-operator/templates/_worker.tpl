{{/* The workers' service account; with allNamespaces the default one of each namespace. */}}

{{- define "mosaic-operator.workerServiceAccount" -}}
{{- if and .Values.allNamespaces .Values.worker.serviceAccountAnnotations -}}
{{- fail "with allNamespaces workers run with the service account `default` of each namespace, which the chart does not manage: annotate those and remove worker.serviceAccountAnnotations" -}}
{{- end -}}
{{- ternary "default" (printf "%s-worker" (include "mosaic-operator.fullname" .)) .Values.allNamespaces -}}
{{- end }}

{{/* The settings of worker pods, as JSON for the operator. */}}

{{- define "mosaic-operator.workerPod" -}}
{{- $store := include "mosaic-operator.store" . | fromYaml -}}
{{- $labels := include "mosaic-operator.instance" . | fromYaml -}}
{{- $worker := .Values.worker -}}
{{- include "mosaic-operator.checkVolumes" (dict "at" "worker" "values" $worker "volumes" (list "tmp" "input" "store") "folders" (list "/tmp" "/input" "/store")) -}}
{{- dict
  "image" (include "mosaic-operator.image" (dict "image" $worker.image "Chart" .Chart))
  "imagePullPolicy" $worker.image.pullPolicy
  "imagePullSecrets" .Values.imagePullSecrets
  "serviceAccountName" (include "mosaic-operator.workerServiceAccount" .)
  "resources" $worker.resources
  "maxMemory" $worker.maxMemory
  "env" (concat ($store.env | default list) $worker.env | default list)
  "envFrom" ($store.envFrom | default list)
  "volumes" (concat $store.volumes $worker.extraVolumes | default list)
  "volumeMounts" (concat $store.volumeMounts $worker.extraVolumeMounts | default list)
  "nodeSelector" $worker.nodeSelector
  "tolerations" $worker.tolerations
  "affinity" $worker.affinity
  "topologySpreadConstraints" $worker.topologySpreadConstraints
  "labels" (merge (dict "app.kubernetes.io/component" "worker") $labels $worker.labels)
  "annotations" $worker.annotations
  | toJson -}}
{{- end }}
