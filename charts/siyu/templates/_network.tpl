{{- define "siyu.podPeer" -}}
- podSelector:
    matchLabels:
      {{- include "siyu.selector" . | nindent 6 }}
{{- end -}}

{{/* Out of the release: these ports, at the addresses that are listed; none: any address. */}}
{{- define "siyu.outside" -}}
- ports:
    {{- range .ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
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
{{- include "siyu.outside" (dict "ports" (list (int $section.port)) "to" $section.to) }}
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
    {{- if include "siyu.asksEngine" . }}
    {{- include "siyu.outside" (dict "ports" (list (int $root.Values.engine.port)) "to" $root.Values.engine.to) | nindent 4 }}
    {{- end }}
    {{- if include "siyu.asksCluster" . }}
    {{- include "siyu.outside" (dict "ports" (list 443 6443) "to" $root.Values.leases.to) | nindent 4 }}
    {{- end }}
    {{- with $root.Values.telemetry.otlpEndpoint }}
    {{- include "siyu.outside" (dict "ports" (list (include "siyu.portOf" .)) "to" $root.Values.telemetry.to) | nindent 4 }}
    {{- end }}
    {{- with $service.settings.SIYU_TOUCH_PUSH_URL }}
    {{- include "siyu.outside" (dict "ports" (list (include "siyu.portOf" .)) "to" $network.pushTo) | nindent 4 }}
    {{- end }}
{{- end -}}
