{{/* The workers' service account; where namespaces are not known, the one that every namespace has. */}}

{{- define "mosaic-operator.workerServiceAccount" -}}
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
  "env" (concat $store.env $worker.env | default list)
  "volumes" $store.volumes
  "volumeMounts" $store.volumeMounts
  "nodeSelector" $worker.nodeSelector
  "tolerations" $worker.tolerations
  "labels" (merge (dict "app.kubernetes.io/component" "worker") $labels $worker.labels)
  "annotations" $worker.annotations
  | toJson -}}
{{- end }}
