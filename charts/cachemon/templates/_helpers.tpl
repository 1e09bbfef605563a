{{/*
Names are the same whatever the release is called. There can be one installation per cluster: the operator writes in
every namespace, and two agents on a node would take each other's mon_groups. Helm refuses a second release.
*/}}

{{- define "cachemon.labels" -}}
{{ include "cachemon.lastingLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels that an upgrade leaves as they are: pods have them too, and another label would start pods anew. */}}
{{- define "cachemon.lastingLabels" -}}
app.kubernetes.io/name: cachemon
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: cachemon
{{- end }}

{{/* Labels of the objects of one program: (dict "program" "agent" "root" $). */}}
{{- define "cachemon.programLabels" -}}
{{ include "cachemon.labels" .root }}
{{ include "cachemon.ofProgram" . }}
{{- end }}

{{/* The same of its pods. */}}
{{- define "cachemon.podLabels" -}}
{{ include "cachemon.lastingLabels" .root }}
{{ include "cachemon.ofProgram" . }}
{{- end }}

{{- define "cachemon.ofProgram" -}}
app.kubernetes.io/component: {{ .program }}
cachemon.dev/program: {{ .program }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end }}

{{- define "cachemon.selector" -}}
app.kubernetes.io/name: cachemon
app.kubernetes.io/component: {{ .program }}
{{- end }}

{{/* The image. A digest wins over the tag, because it names one image for ever. */}}
{{- define "cachemon.image" -}}
{{- $common := .root.Values.image }}
{{- $own := (index .root.Values .program).image }}
{{- with $common.registry }}{{ . }}/{{ end }}{{ $own.repository }}
{{- if $own.digest }}@{{ $own.digest }}{{ else }}:{{ $common.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* `true` where pods need a SecurityContextConstraints, else nothing. */}}
{{- define "cachemon.onOpenShift" -}}
{{- $enabled := .Values.openshift.enabled }}
{{- $served := .Capabilities.APIVersions.Has "security.openshift.io/v1" }}
{{- ternary $served $enabled (kindIs "invalid" $enabled) | ternary "true" "" }}
{{- end }}

{{/* Rights to ask whose the token of a scrape is, and whether its owner may read /metrics. */}}
{{- define "cachemon.reviewRules" -}}
{{- if not .Values.metrics.insecure }}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end }}
{{- end }}

{{/* How Prometheus asks for /metrics. */}}
{{- define "cachemon.scrape" -}}
honorLabels: false
{{- if .Values.metrics.insecure }}
scheme: http
{{- else }}
scheme: https
authorization:
  credentials:
    name: {{ .Values.prometheus.credentials.secretName | default "cachemon-scraper-token" }}
    key: {{ .Values.prometheus.credentials.key }}
tlsConfig:
  {{- if .Values.prometheus.ca.secretName }}
  ca:
    secret:
      name: {{ .Values.prometheus.ca.secretName }}
      key: {{ .Values.prometheus.ca.key }}
  serverName: {{ .Values.prometheus.ca.serverName }}
  {{- else }}
  # Each pod makes its own certificate.
  insecureSkipVerify: true
  {{- end }}
{{- end }}
{{- end }}

{{/* The token of a pod. It has the node's name, which the admission policies check, and ends with the pod. */}}
{{- define "cachemon.tokenVolume" -}}
- name: api-access
  projected:
    sources:
    - serviceAccountToken:
        path: token
        expirationSeconds: 3600
    - configMap:
        name: kube-root-ca.crt
        items:
        - key: ca.crt
          path: ca.crt
{{- end }}

{{- define "cachemon.tokenMount" -}}
- name: api-access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{/* Annotations of hooks after `helm uninstall`. Helm makes the objects by weight, and deletes them at the end. */}}
{{- define "cachemon.retireHook" -}}
helm.sh/hook: post-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* Annotations of what `helm test` makes. A pod that failed stays, with its log, until the next test. */}}
{{- define "cachemon.verifyHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* Conditions by which policies know an agent: see admission.yaml. */}}
{{- define "cachemon.byAnAgent" -}}
- name: by-a-service-account
  expression: request.userInfo.username.startsWith('system:serviceaccount:')
- name: by-an-agent
  expression: >-
    request.userInfo.username.endsWith(':cachemon-agent') || authorizer.group('cachemon.dev')
    .resource('cachemonitornodes').check('report').allowed()
- name: not-by-an-administrator
  expression: "!authorizer.group('cachemon.dev').resource('cachemonitornodes').check('administer').allowed()"
{{- end }}
