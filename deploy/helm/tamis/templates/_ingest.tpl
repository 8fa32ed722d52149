{{- define "tamis.ingest" -}}
# Every part takes those documents of the folder that are its own; all of them together take all.
completionMode: Indexed
completions: {{ .Values.ingest.parts }}
parallelism: {{ .Values.ingest.parallelism }}
backoffLimit: 6
ttlSecondsAfterFinished: 86400
template:
  metadata:
    labels: {{- include "tamis.selector" . | nindent 6 }}
      app.kubernetes.io/component: ingest
  spec:
    restartPolicy: OnFailure
    serviceAccountName: {{ include "tamis.name" . }}
    automountServiceAccountToken: false
    enableServiceLinks: false
    securityContext: {{- include "tamis.podSecurity" . | nindent 6 }}
    {{- with .Values.image.pullSecrets }}
    imagePullSecrets: {{- toYaml . | nindent 6 }}
    {{- end }}
    containers:
      - name: ingest
        image: {{ include "tamis.image" . }}
        imagePullPolicy: {{ .Values.image.pullPolicy }}
        args:
          {{- include "tamis.clientArgs" . | nindent 10 }}
          - --collection
          - {{ .Values.ingest.collection }}
          - ingest
          - --shard
          - $(JOB_COMPLETION_INDEX)/{{ .Values.ingest.parts }}
          - /source/{{ .Values.ingest.sourcePath | trimPrefix "/" }}
        {{- with .Values.ingest.keySecret }}
        {{- if .name }}
        env:
          - name: TAMIS_API_KEY
            valueFrom:
              secretKeyRef: {name: {{ .name }}, key: {{ .key }}}
        {{- end }}
        {{- end }}
        resources: {{- toYaml .Values.ingest.resources | nindent 10 }}
        securityContext: {{- include "tamis.containerSecurity" . | nindent 10 }}
        volumeMounts:
          - {name: source, mountPath: /source, readOnly: true}
          - {name: tmp, mountPath: /tmp}
          {{- include "tamis.clientMounts" . | nindent 10 }}
    volumes:
      - name: source
        persistentVolumeClaim: {claimName: {{ .Values.ingest.sourceClaim }}, readOnly: true}
      - name: tmp
        emptyDir: {}
      {{- include "tamis.clientVolumes" . | nindent 6 }}
{{- end -}}
