package bmapi

import (
	"bytes"
	"encoding/json"
	"maps"
)

// document is a thing as the server wrote it. BlueMind's updates replace the whole
// thing, so what this package does not know has to go back as it came.
type document map[string]any

func (d *document) read(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return dec.Decode((*map[string]any)(d))
}

// over lays known fields, given as any JSON-able struct, over the document. Objects
// are joined, all else is replaced.
func (d document) over(known any) ([]byte, error) {
	data, err := json.Marshal(known)
	if err != nil {
		return nil, err
	}
	var fresh document
	if err := fresh.read(data); err != nil {
		return nil, err
	}
	return json.Marshal(join(d, fresh))
}

func join(old, fresh map[string]any) map[string]any {
	out := maps.Clone(old)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range fresh {
		o, wasObject := out[k].(map[string]any)
		if n, isObject := v.(map[string]any); isObject && wasObject {
			v = join(o, n)
		}
		out[k] = v
	}
	return out
}
