package lmstudio

import (
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// FuzzList: whatever a server sends, a list is read or refused, and what is
// read makes sense.
func FuzzList(f *testing.F) {
	for _, seed := range []string{
		`{"models":[{"type":"llm","key":"a/b","size_bytes":12,"quantization":{"name":"Q4"},"format":"mlx",` +
			`"loaded_instances":[{"id":"a/b:2","config":{"context_length":4096,"flash_attention":true},"remaining_ttl_seconds":3600}],` +
			`"capabilities":{"reasoning":{"allowed_options":["off","on"]}}}]}`,
		`{"models":[{"key":"a","quantization":"Q4","size_bytes":-1e300,"loaded_instances":{"id":1},"capabilities":null,"type":7}]}`,
		`{"models":[{"key":"a","loaded_instances":[null,{"instance_id":"x","config":{"a":{},"b":[1],"c":1e999,"d":null},"remaining_ttl_seconds":1e300}]}]}`,
		`{"models":[{"key":"A"},{"key":"a"},{"key":""},null,7]}`,
		`{"models":null}`, `{"models":[]}`, `{"models":{}}`, `[]`, `null`, ``, `{"error":"Unexpected endpoint or method. (GET /)"}`,
		`{"object":"list","data":[{"id":"a/b:2","type":"vlm","state":"loaded","loaded_context_length":4096},{"id":":2","state":"not-loaded"}]}`,
		`{"data":[{"id":"a","state":"loaded","loaded_context_length":"x","quantization":{}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, parse := range []func([]byte) (catalogue, nodes.Fault, string){parseV1, parseV0} {
			c, fault, _ := parse(body)
			if fault != "" {
				if fault != nodes.Protocol && fault != nodes.WrongEngine {
					t.Errorf("fault %q", fault)
				}
				continue
			}
			old, _, _ := parseV0(body)
			c.adopt(old)
			check(t, c)
		}
	})
}

func check(t *testing.T, c catalogue) {
	now := time.Now()
	s := c.snapshot(now)
	seen := map[string]bool{}
	for _, f := range s.OnDisk {
		if f.Name == "" || f.Size < 0 || seen[strings.ToLower(f.Name)] {
			t.Errorf("file %+v", f)
		}
		seen[strings.ToLower(f.Name)] = true
	}
	for _, i := range s.Loaded {
		if i.ID == "" || !seen[strings.ToLower(i.Model)] || !i.Expires.IsZero() && i.Expires.Before(now) {
			t.Errorf("instance %+v", i)
		}
		if _, found := c.find(i.ID); found == nil {
			t.Errorf("instance %+v is not found", i)
		}
	}
}

// FuzzClassify: whatever a server says, it is read without a panic, and a
// refused key stays one.
func FuzzClassify(f *testing.F) {
	f.Add(400, []byte(`{"error":"The model has crashed"}`))
	f.Add(200, []byte(`{"error":{"message":"x","code":5,"type":[]}}`))
	f.Add(401, []byte(`{"error":"No models loaded"}`))
	f.Add(404, []byte(``))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if e := classify(status, nil, body); e != nil && (e.Fault == "" || status == 401) {
			t.Errorf("%d %q: %+v", status, body, e)
		}
	})
}
