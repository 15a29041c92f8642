{{- define "siyu.podPeer" -}}
- podSelector:
    matchLabels:
      {{- include "siyu.selector" . | nindent 6 }}
{{- end -}}

{{/* To a store: its pod where it is bundled, else the port, at the addresses that are listed. */}}
{{- define "siyu.storeEgress" -}}
{{- $section := ternary .root.Values.database .root.Values.stream (eq .store "postgresql") -}}
{{- if eq $section.mode "bundled" -}}
- to:
    {{- include "siyu.podPeer" (dict "root" .root "component" .store) | nindent 4 }}
  ports:
    - {port: store, protocol: TCP}
{{- else -}}
- ports:
    - {port: {{ int $section.port }}, protocol: TCP}
  {{- with $section.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* The port of a URL, its scheme's own where it names none. */}}
{{- define "siyu.portOf" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $port | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end -}}

{{/* Who may call a service, and what it may call. */}}
{{- define "siyu.servicePolicy" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $labels := dict "root" $root "component" $service.name -}}
{{- $network := $root.Values.networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "siyu.fullname" $root }}-{{ $service.name }}
  labels:
    {{- include "siyu.labels" $labels | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "siyu.selector" $labels | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        {{- range $name, $kind := .catalogue }}
        {{- if has $service.name $kind.peers }}
        {{- include "siyu.podPeer" (dict "root" $root "component" $name) | nindent 8 }}
        {{- end }}
        {{- end }}
        {{- include "siyu.podPeer" (dict "root" $root "component" "smoke") | nindent 8 }}
        {{- with $network.clients }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - {port: grpc, protocol: TCP}
    {{- if $service.kind.http }}
    - ports:
        - {port: http, protocol: TCP}
      {{- with $network.sdkSources }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- if and $root.Values.metrics.enabled $network.monitoring }}
    - ports:
        - {port: metrics, protocol: TCP}
      from:
        {{- toYaml $network.monitoring | nindent 8 }}
    {{- end }}
  egress:
    {{- if $service.kind.peers }}
    - to:
        {{- range $service.kind.peers }}
        {{- include "siyu.podPeer" (dict "root" $root "component" .) | nindent 8 }}
        {{- end }}
      ports:
        - {port: grpc, protocol: TCP}
    {{- end }}
    {{- if $service.kind.database }}
    {{- include "siyu.storeEgress" (dict "root" $root "store" "postgresql") | nindent 4 }}
    {{- end }}
    {{- if $service.kind.stream }}
    {{- include "siyu.storeEgress" (dict "root" $root "store" "redis") | nindent 4 }}
    {{- end }}
    {{- if and $service.kind.engine $root.Values.engine.existingSecret }}
    - ports:
        - {port: {{ int $root.Values.engine.port }}, protocol: TCP}
      {{- with $root.Values.engine.to }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- if include "siyu.asksCluster" . }}
    - ports:
        - {port: 443, protocol: TCP}
        - {port: 6443, protocol: TCP}
      {{- with $root.Values.leases.to }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- with $root.Values.telemetry.otlpEndpoint }}
    - ports:
        - {port: {{ include "siyu.portOf" . }}, protocol: TCP}
      {{- with $root.Values.telemetry.to }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- with $service.settings.SIYU_TOUCH_PUSH_URL }}
    - ports:
        - {port: {{ include "siyu.portOf" . }}, protocol: TCP}
      {{- with $network.pushTo }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
{{- end -}}
