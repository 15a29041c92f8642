{{/* The variables of a service, in one list: the chart's own, then the settings. Secrets come as files. */}}
{{- define "siyu.env" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $upper := upper $service.name -}}
- name: SIYU_LISTEN
  value: 0.0.0.0:9090
- name: SIYU_AUTH_ISSUER
  value: {{ $root.Values.auth.issuer | quote }}
{{- if $root.Values.keys.existingSecret }}
- name: SIYU_AUTH_PUBLIC_KEY_FILE
  value: /etc/siyu/keys/issuer.pub.pem
{{- end }}
{{- if $root.Values.auth.tokenSecret }}
- name: SIYU_AUTH_TOKEN_FILE
  value: /etc/siyu/token/token
{{- end }}
{{- if or (not $root.Values.auth.tokenSecret) (not $root.Values.keys.existingSecret) }}
- name: SIYU_AUTH_SIGNING_KEY_FILE
  value: /etc/siyu/keys/issuer.key.pem
{{- end }}
{{- if $service.kind.key }}
- name: SIYU_{{ $upper }}_KEY_FILE
  value: /etc/siyu/keys/service.key
{{- end }}
{{- if and $service.kind.seals $root.Values.keys.mastersSecret }}
- name: SIYU_FIELD_MASTER_KEYS_FILE
  value: /etc/siyu/masters/keys
{{- end }}
{{- if $service.kind.database }}
- name: SIYU_DATABASE_URL_FILE
  value: /etc/siyu/database/url
- name: SIYU_MIGRATE
  value: {{ or (eq $root.Values.database.mode "bundled") (not $root.Values.migrations.job) | quote }}
{{- end }}
{{- if $service.kind.stream }}
- name: SIYU_STREAM_URL_FILE
  value: /etc/siyu/stream/url
{{- end }}
{{- if include "siyu.asksEngine" . }}
- name: SIYU_ANALYTICS_ENGINE_URL_FILE
  value: /etc/siyu/engine/url
{{- end }}
{{- if include "siyu.asksCluster" . }}
- name: SIYU_LEASES
  value: kubernetes
- name: SIYU_LEASE_PREFIX
  value: {{ include "siyu.fullname" $root }}
{{- end }}
{{- if $service.kind.files }}
- name: SIYU_DATA_DIR
  value: /var/lib/siyu
{{- end }}
{{- if $service.kind.http }}
- name: SIYU_COLLECT_HTTP_LISTEN
  value: 0.0.0.0:8080
- name: SIYU_COLLECT_WRITE_KEYS_FILE
  value: /etc/siyu/keys/write_keys.json
{{- end }}
{{- range $service.kind.peers }}
- name: SIYU_{{ upper . }}_TARGET
  value: {{ include "siyu.target" (dict "root" $root "name" .) }}
{{- end }}
{{- include "siyu.tlsEnv" $root }}
{{- with $root.Values.telemetry.otlpEndpoint }}
- name: SIYU_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- if $root.Values.metrics.enabled }}
- name: SIYU_METRICS_LISTEN
  value: 0.0.0.0:{{ int $root.Values.metrics.port }}
{{- end }}
{{- if eq "exec" (include "siyu.probeKind" $root) }}
- name: SIYU_HEALTH_DIR
  value: /tmp/health
{{- end }}
- name: SIYU_LIMITS_FILE
  value: /etc/siyu/limits/limits.json
- name: SIYU_DRAIN_DELAY_S
  value: {{ include "siyu.scalar" $service.drainDelaySeconds | quote }}
- name: SIYU_STOP_GRACE_S
  value: {{ include "siyu.scalar" $service.stopGraceSeconds | quote }}
{{- range $name, $value := $service.settings }}
- name: {{ $name }}
  value: {{ include "siyu.scalar" $value | quote }}
{{- end }}
{{- with $service.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "siyu.tlsEnv" -}}
{{- if .Values.tls.existingSecret }}
- name: SIYU_TLS_CERT_FILE
  value: /etc/siyu/tls/tls.crt
- name: SIYU_TLS_KEY_FILE
  value: /etc/siyu/tls/tls.key
- name: SIYU_TLS_CA_FILE
  value: /etc/siyu/tls/ca.crt
{{- end }}
{{- end -}}
