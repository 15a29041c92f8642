{{/* A budget where there is more than one pod, an autoscaler where it is asked for. */}}
{{- define "siyu.availability" -}}
{{- $service := .service -}}
{{- $labels := dict "root" .root "component" $service.name -}}
{{- $kube := include "siyu.kubeVersion" .root -}}
{{- $least := ternary $service.autoscaling.minReplicas $service.replicas $service.autoscaling.enabled -}}
{{- if and $service.podDisruptionBudget.enabled (gt (int $least) 1) }}
---
apiVersion: {{ ternary "policy/v1" "policy/v1beta1" (semverCompare ">=1.21.0-0" $kube) }}
kind: PodDisruptionBudget
metadata:
  name: {{ include "siyu.fullname" .root }}-{{ $service.name }}
  labels:
    {{- include "siyu.labels" $labels | nindent 4 }}
spec:
  maxUnavailable: {{ include "siyu.scalar" $service.podDisruptionBudget.maxUnavailable }}
  selector:
    matchLabels:
      {{- include "siyu.selector" $labels | nindent 6 }}
{{- end }}
{{- if $service.autoscaling.enabled }}
---
apiVersion: {{ ternary "autoscaling/v2" "autoscaling/v2beta2" (semverCompare ">=1.23.0-0" $kube) }}
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "siyu.fullname" .root }}-{{ $service.name }}
  labels:
    {{- include "siyu.labels" $labels | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "siyu.fullname" .root }}-{{ $service.name }}
  minReplicas: {{ int $service.autoscaling.minReplicas }}
  maxReplicas: {{ int $service.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ int $service.autoscaling.targetCPUUtilization }}
{{- end }}
{{- end -}}
