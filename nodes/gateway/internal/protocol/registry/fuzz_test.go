package registry_test

import (
	"encoding/json"
	"errors"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"testing"
)

func FuzzReadRequest(f *testing.F) {
	for _, d := range codecs() {
		body, err := d.WriteRequest(asked())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, c := range requests {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range codecs() {
			r, err := d.ReadRequest(body)
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
					t.Fatalf("%s to %s: %v\n%s\n%s", d.Path(), other.Path(), err, body, written)
				}
				if len(r.Messages) > 0 {
					if _, err := other.ReadRequest(written); err != nil && !errors.As(err, &u) {
						t.Fatalf("%s to %s and back: %v\n%s\n%s", d.Path(), other.Path(), err, body, written)
					}
				}
			}
		}
	})
}

func FuzzReadReply(f *testing.F) {
	for _, d := range codecs() {
		f.Add(d.WriteReply(answered()))
		f.Add(d.Error(500, "gone"))
	}
	for _, c := range replies {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range codecs() {
			r, err := d.ReadReply(body)
			if err != nil {
				continue
			}
			for _, other := range codecs() {
				written := other.WriteReply(r)
				if !json.Valid(written) {
					t.Fatalf("%s to %s\n%s\n%s", d.Path(), other.Path(), body, written)
				}
				again, err := other.ReadReply(written)
				if err != nil || again.Text != r.Text || again.Thinking != r.Thinking || len(again.ToolCalls) != len(r.ToolCalls) {
					t.Fatalf("%s to %s and back: %v\n%s\n%s", d.Path(), other.Path(), err, body, written)
				}
			}
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	for _, d := range codecs() {
		for _, frame := range frames(d, write(d, start, told...)) {
			f.Add(frame)
		}
		f.Add(d.ErrorFrame(500, "gone"))
	}
	for _, c := range streams {
		for _, frame := range frames(c.codec, []byte(c.stream)) {
			f.Add(frame)
		}
	}
	for _, c := range someFrames {
		f.Add([]byte(c.frame))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		for _, d := range codecs() {
			p, err := d.ReadFrame(frame)
			if err != nil {
				continue
			}
			for _, other := range codecs() {
				stream := write(other, start, p, protocol.Delta{Done: true})
				r, done, err := gather(other, stream)
				if p.Error != "" {
					if err == nil {
						t.Fatalf("%s to %s: the error is lost\n%s\n%s", d.Path(), other.Path(), frame, stream)
					}
					continue
				}
				if err != nil || !done || r.Text != p.Text || r.Thinking != p.Thinking || (len(r.ToolCalls) == 0) != (len(p.ToolCalls) == 0) {
					t.Fatalf("%s to %s and back: %v\n%s\n%s", d.Path(), other.Path(), err, frame, stream)
				}
				if _, ok := other.(anthropic.Codec); ok {
					accepts(t, stream)
				}
			}
		}
	})
}
