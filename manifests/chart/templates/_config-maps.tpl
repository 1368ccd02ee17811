{{/*
The ConfigMaps of the script and of the helper binary that this version writes, by the hash of their content.
`make manifests` writes this line; tests/install_names.rs holds it to the program.
*/}}
{{- define "silkroll.configMaps" -}}
silkroll-5b276e22f3c0, silkroll-4e162f03177f
{{- end }}
