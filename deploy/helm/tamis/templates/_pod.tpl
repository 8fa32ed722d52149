{{- define "tamis.pod" -}}
metadata:
  labels:
    {{- include "tamis.selector" . | nindent 4 }}
    app.kubernetes.io/component: server
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    # A changed setting is a new pod; keys and certificates are taken without one.
    checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "tamis.name" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # Calls that are under way, after those that are still sent here.
  terminationGracePeriodSeconds: {{ add 60 (int (.Values.config.drain_s | default 0)) }}
  securityContext: {{- include "tamis.podSecurity" . | nindent 4 }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: tamis
      image: {{ include "tamis.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/tamis/tamis.toml]
      env:
        # What the image sets for those who start it by hand.
        - {name: TAMIS_LISTEN, value: ""}
        - {name: TAMIS_METRICS_LISTEN, value: ""}
        - {name: TAMIS_DATA_DIR, value: ""}
        - {name: TAMIS_LOG_FORMAT, value: ""}
        {{- with .Values.index.apiKeySecret }}
        {{- if .name }}
        - name: QDRANT_API_KEY
          valueFrom:
            secretKeyRef: {name: {{ .name }}, key: {{ .key }}}
        {{- end }}
        {{- end }}
        {{- with .Values.extraEnv }}{{ toYaml . | nindent 8 }}{{ end }}
      ports:
        - {name: grpc, containerPort: 7420}
        - {name: metrics, containerPort: {{ .Values.metrics.port }}}
      # Models are loaded and what a crash left is repaired before it is ready.
      startupProbe:
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 5
        failureThreshold: 120
      readinessProbe:
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 5
        failureThreshold: 2
      livenessProbe:
        httpGet: {path: /livez, port: metrics}
        periodSeconds: 10
        failureThreshold: 6
      resources: {{- toYaml .Values.resources | nindent 8 }}
      securityContext: {{- include "tamis.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/tamis/tamis.toml, subPath: tamis.toml, readOnly: true}
        - {name: data, mountPath: /data}
        - {name: tmp, mountPath: /tmp}
        {{- if .Values.auth.keysSecret.name }}
        - {name: keys, mountPath: /etc/tamis/keys, readOnly: true}
        {{- end }}
        {{- if .Values.tls.secretName }}
        - {name: tls, mountPath: /etc/tamis/tls, readOnly: true}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "tamis.name" . }}}
    - name: tmp
      emptyDir: {}
    {{- if not (include "tamis.embedded" .) }}
    - name: data
      emptyDir: {}
    {{- else if .Values.persistence.existingClaim }}
    - name: data
      persistentVolumeClaim: {claimName: {{ .Values.persistence.existingClaim }}}
    {{- end }}
    {{- with .Values.auth.keysSecret }}
    {{- if .name }}
    - name: keys
      secret: {secretName: {{ .name }}, defaultMode: 0440}
    {{- end }}
    {{- end }}
    {{- if .Values.tls.secretName }}
    - name: tls
      secret: {secretName: {{ .Values.tls.secretName }}, defaultMode: 0440}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
