package nodetest

import (
	"encoding/json"
	"hash/fnv"
	"net/http"
	"strings"
)

// llamaTools are the APIs that answer without a text of the model.
var llamaTools = map[string]func(l *LlamaCPP, c LlamaCPPSettings, i *instance, fields llamaFields) (map[string]any, *refusal){
	"/v1/embeddings":            llamaEmbeddings,
	"/tokenize":                 llamaTokenize,
	"/apply-template":           llamaTemplate,
	"/v1/messages/count_tokens": llamaCount,
}

// compute answers a request to one of llamaTools. It wakes a model that sleeps.
func (l *LlamaCPP) compute(w http.ResponseWriter, r *http.Request, c LlamaCPPSettings, body []byte) {
	fields, i := l.reach(w, r, body)
	if i == nil {
		return
	}
	_, release, lost := l.occupy(r, i)
	if lost {
		l.crash(w, false)
	}
	if release == nil {
		return
	}
	defer release()
	if _, on := l.on(Wedged, Chats); on && !l.hang(r.Context(), Wedged) {
		return
	}
	out, no := llamaTools[r.URL.Path](l, c, i, fields)
	if no != nil {
		no.write(w)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

// llamaEmbeddings tells as its model whichever name was asked for, also where the
// server has only one.
func llamaEmbeddings(l *LlamaCPP, c LlamaCPPSettings, i *instance, fields llamaFields) (map[string]any, *refusal) {
	if c.NoEmbeddings {
		return nil, &refusal{http.StatusNotImplemented, "This server does not support embeddings. Start it with `--embeddings`"}
	}
	if fields["input"] == nil && fields["content"] == nil {
		return nil, &refusal{http.StatusBadRequest, `"input" or "content" must be provided`}
	}
	return embeddings(i.model, or(fields.text("model"), i.model.Name), fields), nil
}

// embeddings are vectors in the form of OpenAI's API. They differ between models and
// between texts.
func embeddings(m Model, name string, fields llamaFields) map[string]any {
	var inputs []string
	if json.Unmarshal(fields["input"], &inputs) != nil {
		inputs = []string{fields.text("input")}
	}
	data, tokens := []any{}, 0
	for n, text := range inputs {
		h := fnv.New32a()
		_, _ = h.Write([]byte(m.Name + "\n" + text))
		v := h.Sum32()
		data = append(data, map[string]any{"embedding": []float64{float64(v&0xffff) / 65536, float64(v>>16) / 65536}, "index": n, "object": "embedding"})
		tokens += len(strings.Fields(text))
	}
	return map[string]any{"model": name, "object": "list", "data": data, "usage": map[string]int{"prompt_tokens": tokens, "total_tokens": tokens}}
}

func llamaTokenize(_ *LlamaCPP, _ LlamaCPPSettings, _ *instance, fields llamaFields) (map[string]any, *refusal) {
	tokens := []int{}
	for n := range strings.Fields(fields.text("content")) {
		tokens = append(tokens, 368+n)
	}
	return map[string]any{"tokens": tokens}, nil
}

// chatText lays a chat out as one text.
func chatText(fields llamaFields) (string, *refusal) {
	chat, no := readLlamaMessages(fields)
	if no != nil {
		return "", no
	}
	var messages []map[string]string
	_ = json.Unmarshal(chat["messages"], &messages)
	text := ""
	for _, m := range messages {
		text += m["role"] + ": " + m["content"] + "\n"
	}
	return text, nil
}

func llamaTemplate(_ *LlamaCPP, _ LlamaCPPSettings, _ *instance, fields llamaFields) (map[string]any, *refusal) {
	text, no := chatText(fields)
	return map[string]any{"prompt": text + "assistant: "}, no
}

func llamaCount(_ *LlamaCPP, _ LlamaCPPSettings, _ *instance, fields llamaFields) (map[string]any, *refusal) {
	text, no := chatText(fields)
	return map[string]any{"input_tokens": len(strings.Fields(text))}, no
}
