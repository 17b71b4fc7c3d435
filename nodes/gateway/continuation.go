package gateway

import (
	"encoding/json"
	"net/http"

	chat "github.com/turbone/jarvis/nodes/gateway/internal/protocol"
)

// carry is an answer that broke off, to be carried on by another node.
type continuation struct {
	text, thinking string
	deltas         int // that the client has
}

// prepare makes the request that carries the answer on: the text so far is the
// beginning of the assistant's turn. Where there was nothing but thinking yet,
// the question is asked again.
func (k *continuation) buildRequest(a *attempt) *failure {
	c := a.exchange
	d, fields, ok := a.upstream.continues(c.api)
	if !ok {
		return &failure{verdict: tryAnother, status: http.StatusBadGateway, detail: a.upstream.node.Name + " can't carry on an answer"}
	}
	r, err := c.dialect.ReadRequest(c.body)
	if err != nil {
		return translationFailure(err)
	}
	r.Model, r.Stream = a.model, true
	if r.MaxTokens > 0 {
		r.MaxTokens = max(r.MaxTokens-k.deltas, 1)
	}
	if k.text == "" {
		fields = nil
	} else {
		k.prefill(&r, d)
	}
	a.dialect, a.path = d, d.Path()
	body, err := d.WriteRequest(r)
	if err == nil && len(fields) > 0 {
		body, err = addFields(body, fields)
	}
	a.body = newBuffer(body)
	return translationFailure(err)
}

// hand puts the text so far where the server carries it on.
func (k *continuation) prefill(r *chat.Request, d chat.Dialect) {
	if r.Prompt != "" {
		r.Prompt += k.text
		return
	}
	if r.Thinking == nil && k.thinking == "" {
		no := false // a server that thinks first would begin anew
		if _, ollama := d.(chat.Ollama); ollama {
			r.Thinking = &no
		}
	}
	if n := len(r.Messages); n > 0 && r.Messages[n-1].Role == chat.Assistant { // the client handed a beginning itself
		last := r.Messages[n-1]
		last.Parts = append(append([]chat.Part(nil), last.Parts...), chat.Part{Text: k.text})
		r.Messages = append(append([]chat.Message(nil), r.Messages[:n-1]...), last)
		return
	}
	r.Messages = append(r.Messages, chat.Message{Role: chat.Assistant, Parts: []chat.Part{{Text: k.text}}})
}

// with adds fields to a JSON object.
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
