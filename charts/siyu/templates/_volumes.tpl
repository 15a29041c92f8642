{{/* A service sees its own secrets and nobody else's: single keys of the Secrets are mounted. */}}
{{- define "siyu.volumes" -}}
{{- $root := .root -}}
{{- $service := .service -}}
- name: tmp
  emptyDir: {}
- name: keys
  secret:
    secretName: {{ include "siyu.keysSecret" $root }}
    defaultMode: 0440
    items:
      {{- if or (not $root.Values.auth.tokenSecret) (not $root.Values.keys.existingSecret) }}
      - {key: issuer.key.pem, path: issuer.key.pem}
      {{- end }}
      {{- if $root.Values.keys.existingSecret }}
      - {key: issuer.pub.pem, path: issuer.pub.pem}
      {{- end }}
      {{- if $service.kind.key }}
      - {key: {{ $service.name }}.key, path: service.key}
      {{- end }}
      {{- if $service.kind.http }}
      - {key: write_keys.json, path: write_keys.json}
      {{- end }}
{{- if and $service.kind.seals $root.Values.keys.mastersSecret }}
- name: masters
  secret:
    secretName: {{ $root.Values.keys.mastersSecret }}
    defaultMode: 0440
    items:
      - {key: {{ $service.name }}.masters, path: keys}
{{- end }}
{{- with $root.Values.auth.tokenSecret }}
- name: token
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - {key: {{ $service.name }}.token, path: token}
{{- end }}
{{- if $service.kind.database }}
{{ include "siyu.databaseVolume" . }}
{{- end }}
{{- if $service.kind.stream }}
- name: stream
  secret:
    secretName: {{ include "siyu.streamSecret" $root }}
    defaultMode: 0440
    items:
      - {key: {{ if eq $root.Values.stream.mode "external" }}url{{ else }}stream-url{{ end }}, path: url}
{{- end }}
{{- if include "siyu.asksEngine" . }}
- name: engine
  secret:
    secretName: {{ $root.Values.engine.existingSecret }}
    defaultMode: 0440
    items:
      - {key: url, path: url}
{{- end }}
{{- with $root.Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
- name: limits
  configMap:
    name: {{ include "siyu.fullname" $root }}-limits
{{- if and $service.kind.files $service.persistence.existingClaim }}
- name: data
  persistentVolumeClaim:
    claimName: {{ $service.persistence.existingClaim }}
{{- end }}
{{- end -}}

{{- define "siyu.databaseVolume" -}}
- name: database
  secret:
    secretName: {{ include "siyu.databaseSecret" .root }}
    defaultMode: 0440
    items:
      - {key: {{ .service.name }}-url, path: url}
{{- end -}}

{{- define "siyu.volumeMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: keys, mountPath: /etc/siyu/keys, readOnly: true}
{{- if and .service.kind.seals .root.Values.keys.mastersSecret }}
- {name: masters, mountPath: /etc/siyu/masters, readOnly: true}
{{- end }}
{{- if .root.Values.auth.tokenSecret }}
- {name: token, mountPath: /etc/siyu/token, readOnly: true}
{{- end }}
{{- if .service.kind.database }}
- {name: database, mountPath: /etc/siyu/database, readOnly: true}
{{- end }}
{{- if .service.kind.stream }}
- {name: stream, mountPath: /etc/siyu/stream, readOnly: true}
{{- end }}
{{- if include "siyu.asksEngine" . }}
- {name: engine, mountPath: /etc/siyu/engine, readOnly: true}
{{- end }}
{{- if .root.Values.tls.existingSecret }}
- {name: tls, mountPath: /etc/siyu/tls, readOnly: true}
{{- end }}
- {name: limits, mountPath: /etc/siyu/limits, readOnly: true}
{{- if .service.kind.files }}
- {name: data, mountPath: /var/lib/siyu}
{{- end }}
{{- end -}}
