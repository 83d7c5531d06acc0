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
{{- dict
  "image" (include "mosaic-operator.image" (dict "image" $worker.image "Chart" .Chart))
  "imagePullPolicy" $worker.image.pullPolicy
  "imagePullSecrets" .Values.imagePullSecrets
  "serviceAccountName" (include "mosaic-operator.workerServiceAccount" .)
  "resources" $worker.resources
  "maxMemory" $worker.maxMemory
  "env" (concat ($store.env | default list) $worker.env | default list)
  "envFrom" ($store.envFrom | default list)
  "volumes" $store.volumes
  "volumeMounts" $store.volumeMounts
  "nodeSelector" $worker.nodeSelector
  "tolerations" $worker.tolerations
  "labels" (merge (dict "app.kubernetes.io/component" "worker") $labels $worker.labels)
  "annotations" $worker.annotations
  | toJson -}}
{{- end }}
