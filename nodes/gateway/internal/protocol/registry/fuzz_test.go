package registry_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/protocoltest"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
)

// seed adds the inputs of all transcripts.
func seed(f *testing.F, pattern string) {
	inputs, err := protocoltest.Inputs(pattern)
	if err != nil || len(inputs) == 0 {
		f.Fatalf("%d inputs in %s: %v", len(inputs), pattern, err)
	}
	for _, input := range inputs {
		f.Add(input)
	}
}

// FuzzReadRequest checks that a request that can be read can be written in every
// other API, or is refused, and can be read there.
func FuzzReadRequest(f *testing.F) {
	for _, c := range codecs() {
		body, err := c.WriteRequest(asked())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	seed(f, "../*/testdata/*requests")
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, c := range all() {
			if r, ok := c.(protocol.Resumer); ok {
				resumed, err := r.ResumeRequest(body, "m", "x", 1)
				if err == nil && !json.Valid(resumed) {
					t.Fatalf("%s resumed\n%s\n%s", c.Path(), body, resumed)
				}
			}
			client, ok := c.(protocol.ClientCodec)
			if !ok {
				continue
			}
			client.WantsUsage(body)
			r, err := client.ReadRequest(body)
			if err != nil {
				continue
			}
			for _, other := range codecs() {
				written, err := other.WriteRequest(r)
				var u protocol.UnsupportedError
				if errors.As(err, &u) {
					continue
				}
				if err != nil || !json.Valid(written) {
					t.Fatalf("%s to %s: %v\n%s\n%s", c.Path(), other.Path(), err, body, written)
				}
				if _, err := other.ReadRequest(written); err != nil && !errors.As(err, &u) {
					t.Fatalf("%s to %s and back: %v\n%s\n%s", c.Path(), other.Path(), err, body, written)
				}
			}
		}
	})
}

// FuzzReadReply checks that an answer that can be read survives every other API.
func FuzzReadReply(f *testing.F) {
	for _, c := range codecs() {
		f.Add(c.WriteReply(answered()))
		f.Add(c.Error(500, "gone"))
	}
	seed(f, "../*/testdata/replies")
	seed(f, "../*/testdata/errors")
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, c := range all() {
			r, err := c.ReadReply(body)
			if err != nil {
				continue
			}
			for _, other := range codecs() {
				written := other.WriteReply(r)
				if !json.Valid(written) {
					t.Fatalf("%s to %s\n%s\n%s", c.Path(), other.Path(), body, written)
				}
				again, err := other.ReadReply(written)
				if err != nil || again.Text != r.Text || again.Thinking != r.Thinking || len(again.ToolCalls) != len(r.ToolCalls) {
					t.Fatalf("%s to %s and back: %v\n%s\n%s", c.Path(), other.Path(), err, body, written)
				}
			}
		}
	})
}

// FuzzReadFrame checks that a frame that can be read survives every other API,
// as an error if it is one, and that what is written has its end.
func FuzzReadFrame(f *testing.F) {
	for _, c := range codecs() {
		for _, frame := range protocoltest.Frames(c, protocoltest.Write(c, protocoltest.Info, told...)) {
			f.Add(frame)
		}
		f.Add(c.ErrorFrame(500, "gone"))
	}
	seed(f, "../*/testdata/*frames")
	f.Fuzz(func(t *testing.T, frame []byte) {
		for _, c := range all() {
			d, err := c.ReadFrame(frame)
			if err != nil {
				continue
			}
			for _, other := range all() {
				if writer, ok := other.(protocol.StreamCodec); ok {
					survives(t, d, writer)
				}
			}
		}
	})
}

func survives(t *testing.T, d protocol.Delta, c protocol.StreamCodec) {
	stream := protocoltest.Write(c, protocoltest.Info, d, protocol.Delta{Done: true})
	r, done, err := protocoltest.Gather(c, stream)
	if d.Error != "" {
		if err == nil {
			t.Fatalf("%s: the error is lost\n%+v\n%s", c.Path(), d, stream)
		}
		return
	}
	if err != nil || !done || r.Text != d.Text {
		t.Fatalf("%s: done %v, error %v\n%+v\n%s", c.Path(), done, err, d, stream)
	}
	if _, ok := c.(fullCodec); ok && (r.Thinking != d.Thinking || (len(r.ToolCalls) == 0) != (len(d.ToolCalls) == 0)) {
		t.Fatalf("%s: something is lost\n%+v\n%s", c.Path(), d, stream)
	}
	if _, ok := c.(anthropic.Codec); ok {
		accepts(t, stream)
	}
}

// FuzzStream checks that any order of frames that a server may send becomes a
// stream that ends, in every API.
func FuzzStream(f *testing.F) {
	seed(f, "testdata/streams")
	f.Fuzz(func(t *testing.T, stream []byte) {
		for _, c := range all() {
			end := "\n"
			if c.Events() {
				end = "\n\n"
			}
			deltas, _ := protocoltest.Read(c, append(stream[:len(stream):len(stream)], end...))
			for _, a := range registry.APIs() {
				writer, ok := a.Codec.(protocol.StreamCodec)
				if !ok {
					continue
				}
				written := protocoltest.Write(writer, protocoltest.Info, append(deltas, protocol.Delta{Done: true})...)
				_, done, err := protocoltest.Gather(writer, written)
				var failed protocol.ServerError
				if !done && !errors.As(err, &failed) {
					t.Fatalf("%s to %s has no end: %v\n%s\n%s", c.Path(), a.Path, err, stream, written)
				}
			}
		}
	})
}
