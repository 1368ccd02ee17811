{{/*
The ConfigMaps of the script and of the helper binary that this version writes, by the hash of their content.
`make manifests` writes this line; tests/install_names.rs holds it to the program.
*/}}
{{- define "silkroll.configMaps" -}}
silkroll-0e639f0e81a6, silkroll-bedac7b93d51
{{- end }}
