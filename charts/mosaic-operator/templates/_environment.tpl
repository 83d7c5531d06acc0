{{/* The operator's settings. Numbers go through int64: Helm would write 2000000000 as 2e+09. */}}

{{- define "mosaic-operator.environment" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: MOSAIC_NAMESPACES
  value: {{ include "mosaic-operator.namespaces" . | quote }}
- name: MOSAIC_STORE
  value: {{ (include "mosaic-operator.store" . | fromYaml).uri | quote }}
- name: MOSAIC_WORKER_POD # $$ keeps a $ for the workers' own environment
  value: {{ include "mosaic-operator.workerPod" . | replace "$" "$$" | quote }}
- name: MOSAIC_ALLOWED_HOSTS
  value: {{ join "," .Values.allowedHosts | quote }}
- name: MOSAIC_MAX_PIXELS
  value: {{ .Values.limits.maxPixels | int64 | quote }}
- name: MOSAIC_MAX_SCENES
  value: {{ .Values.limits.maxScenes | int64 | quote }}
- name: MOSAIC_RANGE_SECONDS
  value: {{ .Values.worker.rangeSeconds | int64 | quote }}
- name: MOSAIC_SHARED_BYTES
  value: {{ .Values.limits.sharedBytes | int64 | quote }}
- name: MOSAIC_INLINE_SECONDS
  value: {{ .Values.worker.inlineSeconds | int64 | quote }}
- name: MOSAIC_SOURCE_SECRETS # by kind of source
  value: {{ with .Values.earthDaily.secretName }}{{ dict "earthDaily" . | toJson | quote }}{{ else }}"{}"{{ end }}
- name: MOSAIC_SOURCE_BUCKETS_SECRET
  value: {{ .Values.sourceBuckets.secretName | quote }}
- name: MOSAIC_MAX_PARALLELISM
  value: {{ .Values.limits.maxParallelism | int64 | quote }}
- name: MOSAIC_MAX_RUNNING
  value: {{ .Values.limits.maxRunning | int64 | quote }}
- name: MOSAIC_MAX_RUNNING_PER_NAMESPACE
  value: {{ .Values.limits.maxRunningPerNamespace | int64 | quote }}
- name: MOSAIC_MAX_RUNNING_PER_OWNER
  value: {{ .Values.limits.maxRunningPerOwner | int64 | quote }}
- name: MOSAIC_OWNERS_NAMESPACE
  value: {{ include "mosaic-operator.ownersNamespace" . | quote }}
- name: MOSAIC_PRIORITY_CLASSES
  value: {{ join "," .Values.requests.priorityClasses | quote }}
- name: MOSAIC_QUEUES
  value: {{ join "," .Values.requests.queues | quote }}
- name: MOSAIC_PLAN_DEADLINE
  value: {{ .Values.deadlines.plan | quote }}
- name: MOSAIC_FINALIZE_DEADLINE
  value: {{ .Values.deadlines.finalize | quote }}
- name: MOSAIC_SWEEP_INTERVAL
  value: {{ .Values.sweep.interval | quote }}
- name: MOSAIC_SWEEP_AGE
  value: {{ .Values.sweep.age | quote }}
- name: MOSAIC_KEEP_FAILED
  value: {{ .Values.sweep.keepFailed | quote }}
- name: MOSAIC_REQUEST_TTL
  value: {{ .Values.requests.ttlAfterFinished | quote }}
- name: MOSAIC_LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
{{- end }}
