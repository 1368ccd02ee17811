{{/*
The ConfigMaps of the script and of the helper binary that this version writes, by the hash of their content.
`make manifests` writes this line; tests/install_names.rs holds it to the program.
*/}}
{{- define "silkroll.configMaps" -}}
silkroll-b5949c3916c5, silkroll-a28afd2cdbd1
{{- end }}
