{{/* The ports of allowedHosts, 80 and 443 for a host without a port, and that of the store; as a JSON list. */}}

{{- define "mosaic-operator.workerPorts" -}}
{{- $ports := list -}}
{{- range .Values.allowedHosts -}}
{{- $port := regexFind ":[0-9]+$" . | trimPrefix ":" -}}
{{- $ports = concat $ports (ternary (list (int $port)) (list 80 443) (ne $port "")) -}}
{{- end -}}
{{- if .Values.store.uri -}}
{{- $port := regexFind ":[0-9]+$" .Values.store.endpoint | trimPrefix ":" -}}
{{- $own := ternary 80 443 (hasPrefix "http://" .Values.store.endpoint) -}}
{{- $ports = append $ports (ternary (int $port) $own (ne $port "")) -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end }}

{{- define "mosaic-operator.egressToDNS" -}}
- ports: # of any address: a cluster's DNS server may be a pod, or listen on each node
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}
