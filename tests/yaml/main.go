// Reads manifests as kubectl does and says what came of each: the judge of tests/yaml_differential.rs.
//
// Standard input holds inputs and standard output their answers, each behind its length in 4 bytes, the lowest first.
// An answer is a JSON object: the documents up to the first that was refused, and why that was.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	utiljson "sigs.k8s.io/json"
)

type answer struct {
	Documents []any  `json:"documents"`
	Refused   string `json:"refused,omitempty"`
}

// read is what k8s.io/cli-runtime's FileVisitor and StreamVisitor do, up to the look at apiVersion and kind.
func read(input []byte) answer {
	found := answer{Documents: []any{}}
	text := transform.NewReader(bytes.NewReader(input), unicode.BOMOverride(unicode.UTF8.NewDecoder()))
	decoder := yaml.NewYAMLOrJSONDecoder(text, 4096)
	for {
		raw := runtime.RawExtension{}
		if err := decoder.Decode(&raw); err != nil {
			if !errors.Is(err, io.EOF) {
				found.Refused = err.Error()
			}
			return found
		}
		raw.Raw = bytes.TrimSpace(raw.Raw)
		if len(raw.Raw) == 0 || bytes.Equal(raw.Raw, []byte("null")) {
			continue
		}
		var value any
		if err := utiljson.UnmarshalCaseSensitivePreserveInts(raw.Raw, &value); err != nil {
			found.Refused = err.Error()
			return found
		}
		found.Documents = append(found.Documents, value)
	}
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		var length uint32
		if err := binary.Read(in, binary.LittleEndian, &length); err != nil {
			break
		}
		input := make([]byte, length)
		if _, err := io.ReadFull(in, input); err != nil {
			log.Fatal(err)
		}
		text, err := json.Marshal(read(input))
		if err != nil {
			log.Fatal(err)
		}
		if err := binary.Write(out, binary.LittleEndian, uint32(len(text))); err != nil {
			log.Fatal(err)
		}
		if _, err := out.Write(text); err != nil {
			log.Fatal(err)
		}
		// Whoever asks one by one waits for the answer.
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				log.Fatal(err)
			}
		}
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
