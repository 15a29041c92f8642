{{/* What each service is: whom it calls, which stores it has, whether it opens an HTTP port, keeps files,
encrypts fields, may ask an engine elsewhere, or has work that one process at a time does. */}}
{{- define "siyu.catalogue" -}}
collect: {peers: [], stream: true, http: true}
identity: {peers: [], database: true, stream: true, key: true, seals: true, leads: true}
analytics: {peers: [identity, profile], database: true, stream: true, key: true, files: true, engine: true}
profile: {peers: [identity], database: true, stream: true, key: true, seals: true, leads: true}
segment: {peers: [analytics], database: true, stream: true, key: true, leads: true}
touch: {peers: [segment, profile, analytics, identity, collect], database: true, key: true, leads: true}
{{- end -}}

{{/* Seconds that the services take to stop beside the two that are settings: workers end, telemetry leaves, a margin. */}}
{{- define "siyu.stopOverhead" -}}18{{- end -}}

{{/* The service as a dict: its place in the catalogue, and `defaults` under its own values. */}}
{{- define "siyu.service" -}}
{{- $kind := get (include "siyu.catalogue" . | fromYaml) .name -}}
{{- $own := include "siyu.merge" (dict "base" .root.Values.defaults "over" (get .root.Values.services .name)) | fromJson -}}
{{- $settings := include "siyu.merge" (dict "base" .root.Values.settings "over" $own.settings) | fromJson -}}
{{- $_ := set $own "settings" $settings -}}
{{- $_ := set $own "kind" $kind -}}
{{- $_ := set $own "name" .name -}}
{{- $own | toJson -}}
{{- end -}}

{{/* `over` on `base`, maps key by key; false, 0 and "" count, which mergeOverwrite would pass over. */}}
{{- define "siyu.merge" -}}
{{- $out := deepCopy .base -}}
{{- range $key, $value := .over -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $out $key)) -}}
{{- $_ := set $out $key (include "siyu.merge" (dict "base" (get $out $key) "over" $value) | fromJson) -}}
{{- else -}}
{{- $_ := set $out $key $value -}}
{{- end -}}
{{- end -}}
{{- $out | toJson -}}
{{- end -}}
