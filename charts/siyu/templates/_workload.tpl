{{/* The workload of any service. One that keeps files is a StatefulSet: at most one process has them open. */}}
{{- define "siyu.workload" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $labels := dict "root" $root "component" $service.name -}}
apiVersion: apps/v1
kind: {{ ternary "StatefulSet" "Deployment" (default false $service.kind.files) }}
metadata:
  name: {{ include "siyu.fullname" $root }}-{{ $service.name }}
  labels:
    {{- include "siyu.labels" $labels | nindent 4 }}
spec:
  {{- if not $service.autoscaling.enabled }}
  replicas: {{ int $service.replicas }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "siyu.selector" $labels | nindent 6 }}
  {{- if $service.kind.files }}
  serviceName: {{ include "siyu.fullname" $root }}-{{ $service.name }}-headless
  # In order, a pod that never gets ready would keep a roll-back from replacing it
  podManagementPolicy: Parallel
  updateStrategy:
    type: RollingUpdate
  {{- if not $service.persistence.existingClaim }}
  volumeClaimTemplates:
    {{- include "siyu.claim" (dict "name" "data" "storageClass" $service.persistence.storageClass "size" $service.persistence.size) | nindent 4 }}
  {{- end }}
  {{- else }}
  # The next pod goes when clients have left this one's predecessor and names lead here: they ask
  # for addresses when it closes its connections, and may get an answer that is as old as this
  minReadySeconds: {{ add (ceil $service.drainDelaySeconds) (ceil $service.nameCacheSeconds) }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  {{- end }}
  template:
    metadata:
      # No version: pods change when something in them does, not with the chart
      labels:
        {{- include "siyu.selector" $labels | nindent 8 }}
        {{- with $service.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $service.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "siyu.podSecurity" (dict "root" $root "uid" 10001 "asksCluster" (include "siyu.asksCluster" .)) | nindent 6 }}
      terminationGracePeriodSeconds: {{ add (ceil $service.drainDelaySeconds) (ceil $service.stopGraceSeconds) (include "siyu.stopOverhead" .) }}
      {{- include "siyu.placement" . | nindent 6 }}
      containers:
        - name: {{ $service.name }}
          image: {{ include "siyu.image" (dict "root" $root "name" $service.name) }}
          imagePullPolicy: {{ $root.Values.global.imagePullPolicy }}
          {{- include "siyu.containerSecurity" . | nindent 10 }}
          ports:
            - {name: grpc, containerPort: 9090, protocol: TCP}
            {{- if $service.kind.http }}
            - {name: http, containerPort: 8080, protocol: TCP}
            {{- end }}
            {{- if $root.Values.metrics.enabled }}
            - {name: metrics, containerPort: {{ int $root.Values.metrics.port }}, protocol: TCP}
            {{- end }}
          env:
            {{- include "siyu.env" . | nindent 12 }}
          {{- include "siyu.probes" . | nindent 10 }}
          resources:
            {{- toYaml $service.resources | nindent 12 }}
          volumeMounts:
            {{- include "siyu.volumeMounts" . | nindent 12 }}
      volumes:
        {{- include "siyu.volumes" . | nindent 8 }}
{{- end -}}

{{- define "siyu.claim" -}}
- metadata:
    name: {{ .name }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .size }}
{{- end -}}

{{/* Where pods go: spread over nodes and zones, and what the operator says. */}}
{{- define "siyu.placement" -}}
{{- $service := .service -}}
{{- if $service.topologySpread.enabled }}
topologySpreadConstraints:
  {{- $labels := include "siyu.selector" (dict "root" .root "component" $service.name) }}
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    # Nodes may have no zone, and then no pod could be placed
    whenUnsatisfiable: {{ ternary $service.topologySpread.whenUnsatisfiable "ScheduleAnyway" (eq . "kubernetes.io/hostname") }}
    labelSelector:
      matchLabels:
        {{- $labels | nindent 8 }}
  {{- end }}
{{- end }}
{{- with $service.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
