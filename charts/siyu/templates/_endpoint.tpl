{{/*
Headless for gRPC clients that balance by themselves (round_robin over dns:///...), with one address for everybody
else. Pods that are not ready stay out of both: nobody here needs to find them.
*/}}
{{- define "siyu.endpoint" -}}
{{- $labels := dict "root" .root "component" .service.name -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "siyu.fullname" .root }}-{{ .service.name }}{{ if .headless }}-headless{{ end }}
  labels:
    {{- include "siyu.labels" $labels | nindent 4 }}
    {{- if .headless }}
    siyu/headless: "true"
    {{- end }}
spec:
  type: ClusterIP
  {{- if .headless }}
  clusterIP: None
  {{- end }}
  selector:
    {{- include "siyu.selector" $labels | nindent 4 }}
  ports:
    - {name: grpc, port: 9090, targetPort: grpc, protocol: TCP, appProtocol: grpc}
    {{- if .service.kind.http }}
    - {name: http, port: 8080, targetPort: http, protocol: TCP, appProtocol: http}
    {{- end }}
    {{- if and .headless .root.Values.metrics.enabled }}
    - {name: metrics, port: {{ int .root.Values.metrics.port }}, targetPort: metrics, protocol: TCP, appProtocol: http}
    {{- end }}
{{- end -}}
