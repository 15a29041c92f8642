{{- define "siyu.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "siyu.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "siyu.labels" -}}
{{ include "siyu.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* name: an image's own name, or one with a tag of its own. */}}
{{- define "siyu.image" -}}
{{- $name := .image | default (printf "%s/%s:%s" .root.Values.image.repository .name (.root.Values.image.tag | default .root.Chart.AppVersion)) -}}
{{- if .root.Values.global.imageRegistry -}}
{{- printf "%s/%s" (trimSuffix "/" .root.Values.global.imageRegistry) $name -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{/* Where a peer is reached: all its pods that are ready, so that clients balance over them. */}}
{{- define "siyu.target" -}}
{{- printf "dns:///%s-%s-headless.%s.svc.%s:9090" (include "siyu.fullname" .root) .name .root.Release.Namespace .root.Values.global.clusterDomain -}}
{{- end -}}

{{- define "siyu.kubeVersion" -}}
{{- .Values.global.kubeVersion | default .Capabilities.KubeVersion.Version -}}
{{- end -}}

{{- define "siyu.keysSecret" -}}
{{- .Values.keys.existingSecret | default (printf "%s-keys" (include "siyu.fullname" .)) -}}
{{- end -}}

{{- define "siyu.databaseSecret" -}}
{{- if eq .Values.database.mode "external" -}}
{{- required "database.existingSecret is needed with database.mode external" .Values.database.existingSecret -}}
{{- else -}}
{{- printf "%s-stores" (include "siyu.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "siyu.streamSecret" -}}
{{- if eq .Values.stream.mode "external" -}}
{{- required "stream.existingSecret is needed with stream.mode external" .Values.stream.existingSecret -}}
{{- else -}}
{{- printf "%s-stores" (include "siyu.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* A number as a person writes it: values are floats, and 5e+09 is not what a setting reads. */}}
{{- define "siyu.scalar" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* Non-empty when the service asks the cluster which of its processes leads. */}}
{{- define "siyu.asksCluster" -}}
{{- if and .service.kind.leads (eq .root.Values.leases.mode "kubernetes") -}}yes{{- end -}}
{{- end -}}

{{/* Non-empty when the service asks a ClickHouse server instead of an engine of its own. */}}
{{- define "siyu.asksEngine" -}}
{{- if and .service.kind.engine .root.Values.engine.existingSecret -}}yes{{- end -}}
{{- end -}}

{{/* What every pod may: nothing. The restricted Pod Security profile asks for all of it. */}}
{{- define "siyu.podSecurity" -}}
{{- if .asksCluster }}
serviceAccountName: {{ include "siyu.fullname" .root }}-leases
automountServiceAccountToken: true
{{- else }}
automountServiceAccountToken: false
{{- end }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .uid }}
  runAsGroup: {{ .uid }}
  fsGroup: {{ .uid }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "siyu.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
{{- end -}}
