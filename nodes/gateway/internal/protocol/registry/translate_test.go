package registry_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/protocoltest"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
)

// TestTranslations runs the files in testdata: a request, an answer or a stream
// of one API, and beneath it what it becomes in each of the others. The flag
// -rewrite updates them.
func TestTranslations(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			from := registry.Lookup(d.CmdArgs[0].Key).Codec
			var out strings.Builder
			for _, a := range registry.APIs() {
				if a.Codec == nil || a.Codec == from {
					continue
				}
				if text, ok := translate(t, d.Cmd, from, a.Codec, []byte(d.Input)); ok {
					fmt.Fprintf(&out, "## %s\n%s\n", a.Path, strings.TrimRight(text, "\n"))
				}
			}
			return volatile.ReplaceAllString(out.String(), "${1}…$2")
		})
	})
}

// volatile matches made-up IDs, and the present as a time.
var volatile = regexp.MustCompile(`("created_at":\s?")[^"]*(")|\b(?:call_|toolu_|msg_|chatcmpl-)[a-z2-7]{26}\b`)

// translate returns what becomes of input in another API; ok is false if that
// API has no place for it.
func translate(t *testing.T, kind string, from, to protocol.Codec, input []byte) (out string, ok bool) {
	switch kind {
	case "request":
		server, ok := to.(protocol.ServerCodec)
		if !ok {
			return "", false
		}
		r, err := from.(protocol.ClientCodec).ReadRequest(input)
		if err != nil {
			t.Fatal(err)
		}
		body, err := server.WriteRequest(r)
		var unsupported protocol.UnsupportedError
		if errors.As(err, &unsupported) {
			return "unsupported: " + unsupported.Feature, true
		}
		if err != nil {
			t.Fatal(err)
		}
		return indent(body), true
	case "reply":
		client, ok := to.(protocol.ClientCodec)
		if !ok {
			return "", false
		}
		r, err := from.ReadReply(input)
		if err != nil {
			t.Fatal(err)
		}
		r.Created = cmp.Or(r.Created, protocoltest.Info.Created) // in place of the present
		return indent(client.WriteReply(r)), true
	case "stream":
		client, ok := to.(protocol.ClientCodec)
		if !ok {
			return "", false
		}
		end := "\n"
		if from.Events() {
			end = "\n\n"
		}
		deltas, err := protocoltest.Read(from, append(input, end...))
		if err != nil {
			t.Fatal(err)
		}
		stream := protocoltest.Write(client, protocoltest.Info, deltas...)
		if _, ok := client.(anthropic.Codec); ok {
			accepts(t, stream)
		}
		return strings.ReplaceAll(string(stream), "\n\n", "\n"), true
	}
	t.Fatalf("no command %q", kind)
	return "", false
}

func indent(body []byte) string {
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return string(body)
	}
	return out.String()
}

// accepts reads events as Anthropic's libraries do, which fail on a block that
// isn't there.
func accepts(t *testing.T, stream []byte) {
	t.Helper()
	var s anthropicStream
	for _, frame := range protocoltest.Frames(anthropic.Codec{}, stream) {
		var e anthropicEvent
		name, data, _ := bytes.Cut(frame, []byte("\ndata: "))
		if err := json.Unmarshal(data, &e); err != nil || string(name) != "event: "+e.Type {
			t.Fatalf("%v: %s", err, frame)
		}
		if !s.take(e) {
			t.Fatalf("out of turn: %s\n%s", frame, stream)
		}
	}
	if !s.ended {
		t.Fatalf("it doesn't end: %s", stream)
	}
}

type anthropicEvent struct {
	Type  string
	Index int
	Delta struct {
		StopReason string `json:"stop_reason"`
	}
}

// anthropicStream is what a client knows of a stream so far.
type anthropicStream struct {
	begun, ended, open bool
	next               int
}

// take reports whether an event may come now.
func (s *anthropicStream) take(e anthropicEvent) bool {
	ok := s.begun && !s.ended
	switch e.Type {
	case "message_start":
		ok, s.begun = !s.begun, true
	case "content_block_start":
		ok, s.open = ok && !s.open && e.Index == s.next, true
	case "content_block_delta":
		ok = ok && s.open && e.Index == s.next
	case "content_block_stop":
		ok, s.open = ok && s.open && e.Index == s.next, false
		s.next++
	case "message_delta":
		ok = ok && !s.open && e.Delta.StopReason != ""
	case "message_stop":
		s.ended = true
	}
	return ok
}

// TestNestedBlocks checks that a block in a block in a block costs no more than
// its length: read at once, 4,000 levels of 1 MB would be 4 GB.
func TestNestedBlocks(t *testing.T) {
	const deep = 4000
	text := strings.Repeat("x", 1<<20)
	body := `{"messages":[{"role":"user","content":` + strings.Repeat(`[{"type":"tool_result","content":`, deep) + `"` + text + `"` + strings.Repeat(`}]`, deep) + `}]}`
	done := make(chan error, 1)
	go func() {
		_, err := anthropic.Codec{}.ReadRequest([]byte(body))
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a tool_result in a tool_result is taken")
		}
	case <-time.After(time.Minute):
		t.Error("not read within a minute")
	}
}
