{{/* A bundled store: one pod, one volume, one Service. */}}
{{- define "siyu.store" -}}
{{- $full := printf "%s-%s" (include "siyu.fullname" .root) .name -}}
{{- $values := get .root.Values.bundled .name -}}
{{- $labels := dict "root" .root "component" .name -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ $full }}
  labels:
    {{- include "siyu.labels" $labels | nindent 4 }}
spec:
  type: ClusterIP
  selector:
    {{- include "siyu.selector" $labels | nindent 4 }}
  ports:
    - {name: store, port: {{ .port }}, targetPort: store, protocol: TCP}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $full }}
  labels:
    {{- include "siyu.labels" $labels | nindent 4 }}
spec:
  replicas: 1
  serviceName: {{ $full }}
  podManagementPolicy: Parallel
  selector:
    matchLabels:
      {{- include "siyu.selector" $labels | nindent 6 }}
  volumeClaimTemplates:
    {{- include "siyu.claim" (dict "name" "data" "storageClass" $values.storageClass "size" $values.size) | nindent 4 }}
  template:
    metadata:
      labels:
        {{- include "siyu.selector" $labels | nindent 8 }}
    spec:
      {{- include "siyu.podSecurity" (dict "root" .root "uid" (int $values.uid)) | nindent 6 }}
      terminationGracePeriodSeconds: 60
      containers:
        - name: {{ .name }}
          image: {{ include "siyu.image" (dict "root" .root "name" .name "image" $values.image) }}
          imagePullPolicy: {{ .root.Values.global.imagePullPolicy }}
          {{- include "siyu.containerSecurity" . | nindent 10 }}
          {{- include (printf "siyu.store.%s" .name) . | nindent 10 }}
          ports:
            - {name: store, containerPort: {{ .port }}, protocol: TCP}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            - {name: data, mountPath: /data}
            - {name: secret, mountPath: /etc/siyu/store, readOnly: true}
      volumes:
        - name: tmp
          emptyDir: {}
        - name: secret
          secret:
            secretName: {{ include "siyu.fullname" .root }}-stores
            defaultMode: 0440
            items:
              {{- if eq .name "postgresql" }}
              - {key: postgresql-password, path: password}
              {{- else }}
              - {key: redis.conf, path: redis.conf}
              {{- end }}
{{- end -}}

{{/* The cluster is made beside its place and moved there whole: a start that was cut leaves nothing half made. */}}
{{- define "siyu.store.postgresql" -}}
command: [sh, -ec]
args:
  - |
    if [ ! -d /data/cluster ]; then
      rm -rf /data/new
      initdb --pgdata=/data/new --username=siyu --pwfile=/etc/siyu/store/password --auth-host=scram-sha-256 \
        --auth-local=scram-sha-256 --encoding=UTF8 --locale=C
      echo "host all all all scram-sha-256" >> /data/new/pg_hba.conf
      {{- range $service, $kind := include "siyu.catalogue" .root | fromYaml }}
      {{- if $kind.database }}
      echo "CREATE DATABASE siyu_{{ $service }}" | postgres --single -D /data/new postgres
      {{- end }}
      {{- end }}
      mv /data/new /data/cluster
    fi
    exec postgres -D /data/cluster -c listen_addresses='*' -c unix_socket_directories=/tmp -c max_connections=200
lifecycle:
  preStop:
    exec:
      # Fast shutdown: SIGTERM would wait for every client to leave
      command: [sh, -c, kill -INT 1]
readinessProbe:
  exec:
    command: [pg_isready, -h, 127.0.0.1, -U, siyu, -d, postgres]
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{- define "siyu.store.redis" -}}
command: [sh, -ec]
args:
  - exec "$(command -v valkey-server || command -v redis-server)" /etc/siyu/store/redis.conf
readinessProbe:
  tcpSocket:
    port: store
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}
