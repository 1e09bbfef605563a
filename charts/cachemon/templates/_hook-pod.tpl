{{/*
Pod of a hook, which runs a command of the operator's program once, with the rights of its own account. The program is
the command: (dict "program" "retire" "root" $).
*/}}
{{- define "cachemon.hookPod" -}}
{{- $operator := .root.Values.operator -}}
serviceAccountName: cachemon-{{ .program }}
automountServiceAccountToken: false
enableServiceLinks: false
restartPolicy: Never
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
nodeSelector:
  kubernetes.io/os: linux
  {{- with $operator.nodePlacement.nodeSelector }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $operator.nodePlacement.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $operator.nodePlacement.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
# Pod Security "restricted", without exceptions.
securityContext:
  runAsNonRoot: true
  {{- if not (include "cachemon.onOpenShift" .root) }}
  runAsUser: 65532
  runAsGroup: 65532
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
containers:
- name: {{ .program }}
  image: {{ include "cachemon.image" (dict "program" "operator" "root" .root) }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args:
  - {{ .program }}
  - --namespace={{ .root.Release.Namespace }}
  - --log-level={{ $operator.logLevel }}
  - --log-format={{ .root.Values.logFormat }}
  {{- with $operator.extraEnv }}
  env:
  {{- toYaml . | nindent 2 }}
  {{- end }}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
  resources:
    {{- toYaml $operator.resources | nindent 4 }}
  volumeMounts:
  {{- include "cachemon.tokenMount" .root | nindent 2 }}
volumes:
{{- include "cachemon.tokenVolume" .root | nindent 0 }}
{{- end }}

{{/* Labels and annotations of such a pod that follow from the values. */}}
{{- define "cachemon.hookPodLabels" -}}
{{ include "cachemon.podLabels" . }}
{{- with .root.Values.operator.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "cachemon.hookPodAnnotations" -}}
kubectl.kubernetes.io/default-container: {{ .program }}
{{- if include "cachemon.onOpenShift" .root }}
openshift.io/required-scc: restricted-v2
{{- end }}
{{- with .root.Values.operator.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}
