{{/*
The ConfigMaps of the script and of the helper binary that this version writes, by the hash of their content.
`make manifests` writes this line; tests/install_names.rs holds it to the program.
*/}}
{{- define "silkroll.configMaps" -}}
silkroll-54e4b2fa770b, silkroll-3919d0c4a4ca
{{- end }}
