{{/* The ports of allowedHosts as a JSON list: 80 and 443 for a host without a port. */}}

{{- define "mosaic-operator.sourcePorts" -}}
{{- $ports := list -}}
{{- range .Values.allowedHosts -}}
{{- $port := regexFind ":[0-9]+$" . | trimPrefix ":" -}}
{{- $ports = concat $ports (ternary (list (int $port)) (list 80 443) (ne $port "")) -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end }}

{{- define "mosaic-operator.egressToDNS" -}}
- ports: # of any address: a cluster's DNS server may be a pod, or listen on each node
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}
