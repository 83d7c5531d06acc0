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

{{/* Egress to scenes and the store, on their ports; nothing if there are none. */}}

{{- define "mosaic-operator.egressToSources" -}}
{{- with include "mosaic-operator.workerPorts" . | fromJsonArray -}}
- to: # a policy cannot name hosts; the clients check them
    - ipBlock:
        cidr: 0.0.0.0/0
        except:
          - 10.0.0.0/8
          - 100.64.0.0/10
          - 168.63.129.16/32 # a virtual machine's host on Azure
          - 169.254.0.0/16 # includes 169.254.169.254, where clouds serve credentials
          - 172.16.0.0/12
          - 192.0.0.0/24 # includes 192.0.0.192, the same on Oracle Cloud
          - 192.168.0.0/16
    {{- range $.Values.networkPolicy.egressCIDRs }}
    - ipBlock:
        cidr: {{ . | quote }}
    {{- end }}
  ports:
    {{- range . }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
{{- end }}

{{- define "mosaic-operator.egressToDNS" -}}
- ports: # any address: the DNS server can be a pod or listen on each node
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}
