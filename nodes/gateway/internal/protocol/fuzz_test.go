package chat_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
)

func FuzzReadRequest(f *testing.F) {
	for _, d := range chat.Dialects() {
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
		for _, d := range chat.Dialects() {
			r, err := d.ReadRequest(body)
			if err != nil {
				continue
			}
			for _, other := range chat.Dialects() {
				written, err := other.WriteRequest(r)
				var u chat.Unsupported
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
	for _, d := range chat.Dialects() {
		f.Add(d.WriteReply(answered()))
		f.Add(d.Error(500, "gone"))
	}
	for _, c := range replies {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range chat.Dialects() {
			r, err := d.ReadReply(body)
			if err != nil {
				continue
			}
			for _, other := range chat.Dialects() {
				written := other.WriteReply(r)
				if !json.Valid(written) {
					t.Fatalf("%s to %s\n%s\n%s", d.Path(), other.Path(), body, written)
				}
				again, err := other.ReadReply(written)
				if err != nil || again.Text != r.Text || again.Thinking != r.Thinking || len(again.Calls) != len(r.Calls) {
					t.Fatalf("%s to %s and back: %v\n%s\n%s", d.Path(), other.Path(), err, body, written)
				}
			}
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	for _, d := range chat.Dialects() {
		for _, frame := range frames(d, write(d, start, told...)) {
			f.Add(frame)
		}
		f.Add(d.ErrorFrame(500, "gone"))
	}
	for _, c := range streams {
		for _, frame := range frames(c.dialect, []byte(c.stream)) {
			f.Add(frame)
		}
	}
	for _, c := range someFrames {
		f.Add([]byte(c.frame))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		for _, d := range chat.Dialects() {
			p, err := d.ReadFrame(frame)
			if err != nil {
				continue
			}
			for _, other := range chat.Dialects() {
				stream := write(other, start, p, chat.Piece{Done: true})
				r, done, err := gather(other, stream)
				if p.Error != "" {
					if err == nil {
						t.Fatalf("%s to %s: the error is lost\n%s\n%s", d.Path(), other.Path(), frame, stream)
					}
					continue
				}
				if err != nil || !done || r.Text != p.Text || r.Thinking != p.Thinking || (len(r.Calls) == 0) != (len(p.Calls) == 0) {
					t.Fatalf("%s to %s and back: %v\n%s\n%s", d.Path(), other.Path(), err, frame, stream)
				}
				if _, ok := other.(chat.Anthropic); ok {
					accepts(t, stream)
				}
			}
		}
	})
}
