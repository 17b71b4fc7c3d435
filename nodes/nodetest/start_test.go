package nodetest_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/turbone/jarvis/nodes/engines"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// TestStart: every engine's fake starts without a test, is known for that
// engine, and is gone when it is closed.
func TestStart(t *testing.T) {
	for engine, name := range map[nodetest.Engine]string{
		"": "ollama", nodetest.EngineOllama: "ollama", nodetest.EngineLMStudio: "lmstudio", nodetest.EngineOpenAI: "openai",
		nodetest.EngineLlamaCPP: "llamacpp", nodetest.EngineLlamaCPPRouter: "llamacpp",
	} {
		s, err := nodetest.Start(nodetest.Options{Engine: engine})
		if err != nil {
			t.Errorf("%s: %v", engine, err)
			continue
		}
		if got, _, err := engines.Detect(t.Context(), s.URL, nil); got != name {
			t.Errorf("%q is a fake of %q, %v; want %q", engine, got, err, name)
		}
		s.Close()
		if resp, err := http.Get(s.URL); err == nil {
			resp.Body.Close()
			t.Errorf("%q answers after Close", engine)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for want, o := range map[string]nodetest.Options{
		`no fake of engine "vllm"`:           {Engine: "vllm"},
		`loaded model "b" is not among`:      {Loaded: []string{"b"}},
		"listen on " + taken.Addr().String(): {Addr: taken.Addr().String()},
	} {
		s, err := nodetest.Start(o)
		if s != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, %v; want an error that holds %q", o, s, err, want)
		}
	}
}
