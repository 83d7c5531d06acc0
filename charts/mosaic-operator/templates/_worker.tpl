{{/* The workers' service account; where namespaces are not known, the one that every namespace has. */}}

{{- define "mosaic-operator.workerServiceAccount" -}}
{{- if and .Values.allNamespaces .Values.worker.serviceAccountAnnotations -}}
{{- fail "with allNamespaces workers run with the service account `default` of each namespace, which is not the chart's: annotate those, and leave worker.serviceAccountAnnotations out" -}}
{{- end -}}
{{- ternary "default" (printf "%s-worker" (include "mosaic-operator.fullname" .)) .Values.allNamespaces -}}
{{- end }}

{{/* How worker pods look, as the JSON that the operator reads. */}}

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
