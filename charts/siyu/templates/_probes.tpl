{{/*
The kubelet asks by gRPC where it can (1.24) and nothing is encrypted (it shows no certificate);
else a program in the container asks, less often, because it starts an interpreter each time.
Liveness looks at no store, so that a store that is down restarts nothing.
*/}}
{{- define "siyu.probes" -}}
{{- $native := eq "native" (include "siyu.probeKind" .root) -}}
{{- $startup := ternary 5 10 $native -}}
startupProbe:
  {{- include "siyu.probe" (dict "native" $native "state" "liveness") | nindent 2 }}
  periodSeconds: {{ $startup }}
  timeoutSeconds: {{ ternary 5 15 $native }}
  failureThreshold: {{ max 1 (div (int .service.startupSeconds) $startup) }}
livenessProbe:
  {{- include "siyu.probe" (dict "native" $native "state" "liveness") | nindent 2 }}
  periodSeconds: {{ ternary 20 60 $native }}
  timeoutSeconds: {{ ternary 10 20 $native }}
  failureThreshold: 3
readinessProbe:
  {{- include "siyu.probe" (dict "native" $native "state" "readiness") | nindent 2 }}
  periodSeconds: {{ ternary 5 15 $native }}
  timeoutSeconds: {{ ternary 5 15 $native }}
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
  command: [python3, -m, siyu_kit.health, {{ .state }}]
{{- end -}}
{{- end -}}
