{{/*
The kubelet asks by gRPC where it can (1.24) and nothing is encrypted (it shows no certificate);
else a shell in the container looks how old the service's last heartbeat is: an interpreter that
asks by gRPC would take seconds of a busy processor, for every pod, all the time.
Liveness looks at no store, so that a store that is down restarts nothing.
*/}}
{{- define "siyu.probes" -}}
{{- $native := eq "native" (include "siyu.probeKind" .root) -}}
{{- $timeout := ternary 5 10 $native -}}
startupProbe:
  {{- include "siyu.probe" (dict "native" $native "state" "liveness") | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: {{ $timeout }}
  failureThreshold: {{ max 1 (div (int .service.startupSeconds) 5) }}
livenessProbe:
  {{- include "siyu.probe" (dict "native" $native "state" "liveness") | nindent 2 }}
  periodSeconds: {{ ternary 20 30 $native }}
  timeoutSeconds: 10
  failureThreshold: 3
readinessProbe:
  {{- include "siyu.probe" (dict "native" $native "state" "readiness") | nindent 2 }}
  periodSeconds: {{ ternary 5 10 $native }}
  timeoutSeconds: {{ $timeout }}
  failureThreshold: 2
{{- end -}}

{{- define "siyu.probeKind" -}}
{{- if and (semverCompare ">=1.24.0-0" (include "siyu.kubeVersion" .)) (not .Values.tls.existingSecret) -}}native{{- else -}}exec{{- end -}}
{{- end -}}

{{- define "siyu.probe" -}}
{{- if .native -}}
grpc:
  port: 9090
  service: {{ .state }}
{{- else -}}
exec:
  command: [sh, -c, '[ $(($(date +%s) - $(cat "$0"))) -lt 20 ]', /tmp/health/{{ .state }}]
{{- end -}}
{{- end -}}
