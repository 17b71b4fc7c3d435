package registry_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/ollama"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/openai"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/protocoltest"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
)

// fullCodec is a codec that can do everything.
type fullCodec interface {
	protocol.ClientCodec
	protocol.ServerCodec
}

// codecs returns the codecs between which everything is translated.
func codecs() (list []fullCodec) {
	for _, c := range registry.ServerCodecs() {
		list = append(list, c.(fullCodec))
	}
	return list
}

// all returns every codec.
func all() (list []protocol.Codec) {
	for _, a := range registry.APIs() {
		if a.Codec != nil {
			list = append(list, a.Codec)
		}
	}
	return list
}

func TestEveryCodecConforms(t *testing.T) {
	for _, c := range all() {
		t.Run(c.Path(), func(t *testing.T) { protocoltest.Conform(t, c) })
	}
}

func TestAPIs(t *testing.T) {
	for _, a := range registry.APIs() {
		if a.Codec != nil && a.Codec.Path() != a.Path {
			t.Errorf("the codec of %s is that of %s", a.Path, a.Codec.Path())
		}
		if got := registry.Lookup(a.Path); got == nil || got.Path != a.Path {
			t.Errorf("%s is not found: %+v", a.Path, got)
		}
		if a.Errors == nil {
			t.Errorf("%s has no errors", a.Path)
		}
		if asksModel := a.About == ""; asksModel != (len(a.Content) > 0) || !asksModel && registry.Lookup(a.About) == nil {
			t.Errorf("%s has the content %q, and is about %q", a.Path, a.Content, a.About)
		}
		for _, member := range a.Content {
			if !registry.HasContent(member) {
				t.Errorf("%q is no content", member)
			}
		}
	}
	if registry.HasContent("error") || registry.HasContent("") {
		t.Error("everything is content")
	}
	if got := registry.Lookup("/v1/models"); got != nil {
		t.Errorf("/v1/models is %+v", got)
	}
}

// TestCapabilities checks what each codec can do: the gateway asks by type
// assertions, so a method with a wrong signature would only be missing.
func TestCapabilities(t *testing.T) {
	got := map[string]string{}
	for _, c := range all() {
		can := ""
		if _, ok := c.(protocol.StreamCodec); ok {
			can += "stream "
		}
		if _, ok := c.(protocol.ClientCodec); ok {
			can += "client "
		}
		if _, ok := c.(protocol.ServerCodec); ok {
			can += "server "
		}
		if _, ok := c.(protocol.Prefiller); ok {
			can += "prefill "
		}
		if _, ok := c.(protocol.Resumer); ok {
			can += "resume "
		}
		got[c.Path()] = can
	}
	want := map[string]string{
		"/v1/chat/completions": "stream client server ",
		"/v1/completions":      "stream resume ",
		"/v1/responses":        "",
		"/v1/messages":         "stream client server ",
		"/api/chat":            "stream client server prefill ",
		"/api/generate":        "stream client ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var order []string
	for _, c := range registry.ServerCodecs() {
		order = append(order, c.Path())
	}
	if diff := cmp.Diff([]string{"/v1/chat/completions", "/v1/messages", "/api/chat"}, order); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsFor(t *testing.T) {
	for path, want := range map[string]protocol.ErrorWriter{
		"/v1/messages":              anthropic.Codec{},
		"/v1/messages/count_tokens": anthropic.Codec{},
		"/v1/messagesx":             openai.Codec{},
		"/v1/models":                openai.Codec{},
		"/v1/embeddings":            openai.Codec{},
		"/api/chat":                 ollama.Codec{},
		"/api/embed":                ollama.Codec{},
		"/api/unheard-of":           ollama.Codec{},
		"/apix":                     openai.Codec{},
		"":                          openai.Codec{},
	} {
		if got := string(registry.ErrorsFor(path).Error(404, "x")); got != string(want.Error(404, "x")) {
			t.Errorf("%q: %s", path, got)
		}
	}
}
