{{/* Where the hook tries a workload, of which kind, and with what labels: one that API servers ask about. */}}
{{- define "silkroll.tryIn" -}}
{{ default "default" .Values.wait.namespace }}
{{- end }}

{{- define "silkroll.tryKind" -}}
{{- $kind := "" }}
{{- range list "rollout" "daemonset" "statefulset" "deployment" }}
{{- if has . $.Values.webhook.workloads }}{{ $kind = . }}{{ end }}
{{- end }}
{{- $kind }}
{{- end }}

{{/* What `silkroll wait` is told of the last two, as a list. */}}
{{- define "silkroll.tryArgs" -}}
{{- $args := list }}
{{- $kind := include "silkroll.tryKind" . }}
{{- if ne $kind "deployment" }}{{ $args = append $args (printf "--try-kind=%s" $kind) }}{{ end }}
{{- $labels := dict }}
{{- range .Values.webhook.objectSelector.matchExpressions }}
{{- if eq .operator "In" }}{{ $_ := set $labels .key (first .values) }}{{ end }}
{{- if eq .operator "Exists" }}{{ $_ := set $labels .key "" }}{{ end }}
{{- end }}
{{- range $key, $value := merge dict (default dict .Values.webhook.objectSelector.matchLabels) $labels }}
{{- $args = append $args (printf "--try-label=%s=%s" $key $value) }}
{{- end }}
{{- toYaml $args }}
{{- end }}

{{/* Settings with which API servers never ask about what the hook tries, as far as values tell. */}}
{{- define "silkroll.checkWait" -}}
{{- $try := include "silkroll.tryIn" . }}
{{- $else := "name another by wait.namespace, or leave the hook out: wait.enabled=false" }}
{{- if eq $try .Release.Namespace }}
{{- fail (printf "API servers never ask Silkroll about its own namespace, %s, and that is where the hook tries a workload: install Silkroll into a namespace of its own (-n silkroll-system --create-namespace), %s" $try $else) }}
{{- end }}
{{- if has $try .Values.webhook.exemptNamespaces }}
{{- fail (printf "webhook.exemptNamespaces has %s, and that is where the hook tries a workload: %s" $try $else) }}
{{- end }}
{{- $selector := .Values.webhook.namespaceSelector }}
{{- $said := .Values.wait.namespace }}
{{- $missed := printf "webhook.namespaceSelector leaves out %s, where the hook tries a workload: %s" $try $else }}
{{- $asked := printf "webhook.namespaceSelector asks for labels, which the namespace default, where the hook tries a workload, does not have by itself: name one that has them by wait.namespace (default, where it has them), or leave the hook out: wait.enabled=false" }}
{{- range $key, $value := $selector.matchLabels }}
{{- if eq $key "kubernetes.io/metadata.name" }}
{{- if ne $value $try }}{{ fail $missed }}{{ end }}
{{- else if not $said }}{{ fail $asked }}{{ end }}
{{- end }}
{{- range $selector.matchExpressions }}
{{- $in := has $try (default list .values) }}
{{- if eq (toString .key) "kubernetes.io/metadata.name" }}
{{- if or (and (eq .operator "In") (not $in)) (and (eq .operator "NotIn") $in) (eq .operator "DoesNotExist") }}{{ fail $missed }}{{ end }}
{{- else if and (has .operator (list "In" "Exists")) (not $said) }}{{ fail $asked }}{{ end }}
{{- end }}
{{- end }}

{{/* Settings that cannot be together. */}}
{{- define "silkroll.check" -}}
{{- $certificates := .Values.certificates }}
{{- if and $certificates.caBundle (eq $certificates.source "self") }}
{{- fail "certificates.caBundle is not for certificates.source: self, the default: Silkroll writes the bundle itself. For a Secret of yours: certificates.source=secret" }}
{{- end }}
{{- if and (ne $certificates.secretName "silkroll-tls") (eq $certificates.source "self") }}
{{- fail "certificates.secretName is not for certificates.source: self, the default, which serves from no Secret. For a Secret of yours: certificates.source=secret" }}
{{- end }}
{{- if and (eq $certificates.source "files") (not (and $certificates.files.cert $certificates.files.key $certificates.caBundle)) }}
{{- fail "certificates.source: files needs all of certificates.files.cert, certificates.files.key and certificates.caBundle: --set-file certificates.files.cert=certs/tls.crt, and so on; silkroll certs makes them" }}
{{- end }}
{{- if and (ne $certificates.source "files") (or $certificates.files.cert $certificates.files.key) }}
{{- fail (printf "certificates.files is for certificates.source: files, and it is %s" $certificates.source) }}
{{- end }}
{{- if and $certificates.caBundle (eq $certificates.source "cert-manager") }}
{{- fail "certificates.caBundle is not for certificates.source: cert-manager, which writes the bundle itself" }}
{{- end }}
{{- if contains "PRIVATE KEY" $certificates.caBundle }}
{{- fail "certificates.caBundle holds a private key, and everybody may read it: give certs/ca.crt" }}
{{- end }}
{{- if and $certificates.caBundle (not (contains "-----BEGIN CERTIFICATE-----" $certificates.caBundle)) }}
{{- fail "certificates.caBundle is PEM, with -----BEGIN CERTIFICATE-----, and not encoded once more: --set-file certificates.caBundle=certs/ca.crt" }}
{{- end }}
{{- range $name, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels }}
{{- range list "app.kubernetes.io/name" "app.kubernetes.io/instance" }}
{{- if hasKey $labels . }}
{{- fail (printf "%s cannot have %s: by that label the Service finds the webhook's pods. nameOverride changes the first of the two, the release's name the other" $name .) }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq (int .Values.ports.webhook) (int .Values.ports.admin) }}
{{- fail "ports.webhook and ports.admin are the same, and the container listens on both" }}
{{- end }}
{{- if .Values.wait.enabled }}{{ include "silkroll.checkWait" . }}{{ end }}
{{- end }}
