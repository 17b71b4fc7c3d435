package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/turbone/jarvis/nodes/gateway"
)

// TestATextIsCarriedOn: /v1/completions goes on with any text, so that the next
// node is handed the prompt with what there is of the answer.
func TestATextIsCarriedOn(t *testing.T) {
	frame := func(text, finish string) string {
		return fmt.Sprintf(`data: {"id":"cmpl-7","object":"text_completion","created":1,"model":"good","choices":[{"text":%q,"index":0,"finish_reason":%s}]}`+"\n\n", text, finish)
	}
	m1 := onServer(t, "M1", "", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, frame(" there", "null")+frame(" was", "null"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	var got map[string]any
	m2 := onServer(t, "M2", "", func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, frame(" a", "null")+frame(" node", "null")+frame("", `"stop"`)+"data: [DONE]\n\n")
	})
	_, address := startGateway(t, serving(m1, m2), gateway.Options{})
	resp, err := http.Post(address+"/v1/completions", "application/json",
		strings.NewReader(`{"model":"good","prompt":"Once","stream":true,"max_tokens":50,"top_k":7}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for line := range strings.SplitSeq(string(answer), "\n") {
		var f struct {
			ID      string
			Choices []struct{ Text string }
		}
		if data, ok := strings.CutPrefix(line, "data: {"); ok {
			if err := json.Unmarshal([]byte("{"+data), &f); err != nil || f.ID != "cmpl-7" {
				t.Errorf("%s: %v", line, err)
			}
			for _, c := range f.Choices {
				text.WriteString(c.Text)
			}
		}
	}
	if text.String() != " there was a node" || !strings.HasSuffix(string(answer), "data: [DONE]\n\n") {
		t.Errorf("got %q from\n%s", text.String(), answer)
	}
	if got["prompt"] != "Once there was" || got["max_tokens"] != 48.0 || got["top_k"] != 7.0 || got["stream"] != true {
		t.Errorf("M2 was asked %v", got)
	}
}

// TestAResponseBreaksOffInItsOwnWords: what can't be carried on ends in an error
// of its protocol.
func TestAResponseBreaksOffInItsOwnWords(t *testing.T) {
	broken := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Once\"}\n\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, address := startGateway(t, serving(onServer(t, "M1", "", broken), onServer(t, "M2", "", broken)), gateway.Options{})
	resp, err := http.Post(address+"/v1/responses", "application/json", strings.NewReader(`{"model":"good","input":"tell","stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(answer), `"delta":"Once"`) || !strings.Contains(string(answer), "\n\nevent: error\ndata: {\"code\":502,") {
		t.Errorf("%v, %s", err, answer)
	}
}

// TestShow: the ollama command asks about a model before it asks the model;
// of those of other engines the gateway tells that they can be asked.
func TestShow(t *testing.T) {
	_, lmstudio := onEngine(t, "lmstudio", "M1")
	_, address := startGateway(t, serving(lmstudio), gateway.Options{})
	for model, want := range map[string]int{"auto": http.StatusOK, "good": http.StatusOK} {
		resp, err := http.Post(address+"/api/show", "application/json", strings.NewReader(fmt.Sprintf(`{"model":%q}`, model)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != want || !strings.Contains(string(body), `"capabilities"`) {
			t.Errorf("%s: %s, %v, %s", model, resp.Status, err, body)
		}
	}
}

// TestWhatCantBeTranslated is refused at once, in the client's own protocol.
func TestWhatCantBeTranslated(t *testing.T) {
	_, n := onEngine(t, "openai", "M1")
	_, address := startGateway(t, serving(n), gateway.Options{})
	for _, body := range []string{`{"model":"auto","prompt":"x","raw":true}`, `{"model":"auto","prompt":"x","suffix":"y"}`} {
		resp, err := http.Post(address+"/api/generate", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusNotImplemented || !strings.HasPrefix(string(answer), `{"error":"`) {
			t.Errorf("%s: %s, %v, %s", body, resp.Status, err, answer)
		}
	}
}
