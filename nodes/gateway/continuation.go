package gateway

import (
	"encoding/json"
	"net/http"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
)

// continuation is the part of an answer that the client has, to be continued by
// another node.
type continuation struct {
	text, thinking string
	deltas         int
}

// buildRequest makes the request that continues the answer: the text so far is
// the beginning of the assistant's message. If there is no text yet but only
// reasoning, the question is asked again.
func (k *continuation) buildRequest(a *attempt) *failure {
	c := a.exchange
	codec, fields, ok := a.upstream.continues(c.API, a.model, c.avoided(a.slot.Place())...)
	if !ok {
		codec, ok = a.upstream.asksOn(c.API, a.model, c.avoided(a.slot.Place())...)
		a.turn = ok
	}
	if !ok {
		return &failure{verdict: tryAnother, status: http.StatusBadGateway, detail: a.upstream.node.Name + " can't continue an answer"}
	}
	a.codec, a.path = codec, codec.Path()
	var body []byte
	var err error
	if own, ok := codec.(protocol.Resumer); ok {
		body, err = own.ResumeRequest(c.body, a.model, k.text, k.deltas)
	} else {
		body, err = c.translate(codec, func(r *protocol.Request) {
			if k.edit(r, a.model, codec); a.turn && k.text != "" {
				r.Messages = append(r.Messages, protocol.Message{Role: protocol.RoleUser, Parts: []protocol.Part{{Text: goOnText}}})
			}
		})
	}
	if err == nil && k.text != "" && len(fields) > 0 {
		body, err = addFields(body, fields)
	}
	a.body = newBuffer(body)
	return translationFailure(err)
}

// goOnText is the closing turn for a model that takes no beginning of its answer.
// What it repeats all the same is taken out.
const goOnText = "Continue your last message exactly where it stopped. Do not repeat any of it, and do not comment."

// edit changes the client's request so that a server with the given codec
// continues the answer.
func (k *continuation) edit(r *protocol.Request, model string, codec protocol.Codec) {
	r.Model, r.Stream = model, true
	if r.MaxTokens > 0 {
		r.MaxTokens = max(r.MaxTokens-k.deltas, 1)
	}
	if k.text == "" {
		return
	}
	r.AppendPartial(k.text)
	if p, ok := codec.(protocol.Prefiller); ok && k.thinking == "" {
		p.Prefill(r)
	}
}

// addFields returns a JSON object with further fields.
func addFields(body []byte, fields map[string]any) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, err
	}
	for name, v := range fields {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		all[name] = b
	}
	return json.Marshal(all)
}
