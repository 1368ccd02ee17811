{{/*
The ConfigMaps of the script and of the helper binary that this version writes, by the hash of their content.
`make manifests` writes this line; tests/install_names.rs holds it to the program.
*/}}
{{- define "silkroll.configMaps" -}}
silkroll-a5bf3d3582c1, silkroll-b70097769772
{{- end }}
